package idp

import (
	"errors"
	"slices"
	"strings"
)

// PasswordlessSection says which factors may stand in the place of the password. Where another did, the password is asked.
type PasswordlessSection struct {
	Written
	Names []string `json:"names,omitempty"` // none: the password is always asked

	text string
}

func (s *PasswordlessSection) lines() []string { return []string{s.line()} }

func (s *PasswordlessSection) line() string {
	if len(s.Names) == 0 {
		return "passwordless off"
	}
	return "passwordless " + strings.Join(s.Names, " ")
}

func (s *PasswordlessSection) check() error {
	if slices.ContainsFunc(s.Names, ReservedFactor) {
		return errors.New("passwordless names what is no factor")
	}
	s.text = s.line()
	return nil
}

// judge asks for the password where this session began without it, by a factor that the section does not name.
func (s *PasswordlessSection) judge(v *Visit) finding {
	if s == nil {
		return finding{}
	}
	f := finding{effect: renew, from: s.From, rule: s.text, reason: AskSession}
	for i := range v.Session {
		if name := v.Session[i].Factor; name == PasswordFactor || slices.Contains(s.Names, name) {
			f.effect, f.reason = consents, ""
		}
	}
	return f
}
