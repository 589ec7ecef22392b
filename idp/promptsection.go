package idp

// PromptSection says how a second factor is asked for.
type PromptSection struct {
	Written
	Mode PromptMode `json:"mode"`
}

// PromptMode is the word of the prompt section.
type PromptMode string

// The modes. Universal asks for one factor, the one that the person used last on this device, with the others behind it;
// Traditional shows all of them on one page, with the question whose device it is before them.
const (
	PromptUniversal   PromptMode = "universal"
	PromptTraditional PromptMode = "traditional"
)

func (s *PromptSection) lines() []string { return []string{"prompt " + string(s.Mode)} }

func (s *PromptSection) check() error {
	return oneOf("prompt", s.Mode, PromptUniversal, PromptTraditional)
}

// mode is Universal where nobody says.
func (s *PromptSection) mode() PromptMode {
	if s == nil {
		return PromptUniversal
	}
	return s.Mode
}
