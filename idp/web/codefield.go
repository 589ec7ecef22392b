package web

import "strconv"

// codeField is the one field that codes are typed into.
type codeField struct {
	Label  string
	Digits bool // of an app or a phone, which fills it in where it can; else letters from paper or from somebody's mouth
	Free   bool // it may stay empty: another button of the form is pressed
	Focus  bool
	Told   bool // the page's problem is read out with it, or that the page before had ended
	Wrong  bool
}

func digits(n int, problem string, late bool) codeField {
	return codeField{Label: strconv.Itoa(n) + "-digit code", Digits: true, Focus: true, Told: problem != "" || late, Wrong: problem != ""}
}

// CodeField is where the code of an app is typed.
func (p MFA) CodeField() codeField { return digits(p.Digits, p.Error, p.Late) }

// CodeField takes no focus without a problem: the page would scroll past the picture.
func (p Enroll) CodeField() codeField {
	f := digits(p.Digits, p.Error, p.Late)
	f.Focus = f.Wrong
	return f
}

// CodeField is not the only way on from the page, so that it takes no focus either and may stay empty.
func (w Way) CodeField() codeField {
	f := digits(w.Digits, "", false)
	f.Free, f.Focus, f.Told, f.Wrong = true, w.Wrong, w.Wrong, w.Wrong
	return f
}

// CodeField is where a code is typed that stands in for a second step.
func (p Rescue) CodeField() codeField {
	f := codeField{Label: "Bypass code", Focus: !p.Away, Told: p.Error != "" || p.Late, Wrong: p.Wrong}
	if p.Recovery {
		f.Label = "Recovery code or bypass code"
	}
	return f
}

// CodeField is where an invitation is typed.
func (p EnrollCode) CodeField() codeField {
	return codeField{Label: "Invitation code", Focus: true, Told: p.Error != "" || p.Late, Wrong: p.Error != ""}
}
