package e2e

import "time"

// PasswordPolicy is what a directory asks of passwords. What is zero is not asked: no lockout, any length, no history,
// no age.
type PasswordPolicy struct {
	Lockout   int           // wrong passwords that lock an account
	Window    time.Duration // in which they count; 30 minutes where it is zero
	LockedFor time.Duration // as long as the window where it is zero
	MinLength int
	History   int
	MinAge    time.Duration
	MaxAge    time.Duration // Samba ignores one below a day
	// Complexity asks for three kinds of characters out of four, and for nothing of the name. OpenLDAP knows no such thing.
	Complexity bool
}

// Counting is the window, in which wrong passwords count.
func (p PasswordPolicy) Counting() time.Duration {
	if p.Window == 0 {
		return 30 * time.Minute
	}
	return p.Window
}

// Locking is how long an account stays locked.
func (p PasswordPolicy) Locking() time.Duration {
	return max(p.LockedFor, p.Counting())
}
