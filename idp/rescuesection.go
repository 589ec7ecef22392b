package idp

// RescueSection says which codes stand in for a second factor that somebody cannot show: lost, broken, at home.
type RescueSection struct {
	Written
	Mode RescueMode `json:"mode"`
}

// RescueMode is the word of the rescue_codes section.
type RescueMode string

// The modes. Any takes a recovery code of the person's own and a bypass code of the service desk; Bypass takes the latter
// only; Off takes neither, so that nothing that can be read out over the telephone opens the application.
const (
	RescueAny    RescueMode = "any"
	RescueBypass RescueMode = "bypass"
	RescueOff    RescueMode = "off"
)

// The names that proofs by such a code have in the place of a factor's.
const (
	RecoveryFactor = "recovery" // a code that the person made beforehand and kept
	BypassFactor   = "bypass"   // a code that somebody at the service desk made for them
)

func isRescue(factor string) bool { return factor == RecoveryFactor || factor == BypassFactor }

func (s *RescueSection) lines() []string { return []string{"rescue_codes " + string(s.Mode)} }

func (s *RescueSection) check() error {
	return oneOf("rescue_codes", s.Mode, RescueAny, RescueBypass, RescueOff)
}

// mode is Any where nobody says.
func (s *RescueSection) mode() RescueMode {
	if s == nil {
		return RescueAny
	}
	return s.Mode
}

// rank is higher the fewer codes are taken.
func (s *RescueSection) rank() int {
	switch s.mode() {
	case RescueAny:
		return 0
	case RescueBypass:
		return 1
	case RescueOff:
	}
	return 2
}

// takes reports whether a proof by a code counts.
func (s *RescueSection) takes(factor string) bool {
	switch factor {
	case RecoveryFactor:
		return s.mode() == RescueAny
	case BypassFactor:
		return s.mode() == RescueAny || s.mode() == RescueBypass
	}
	return false
}
