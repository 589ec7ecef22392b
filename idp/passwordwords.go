package idp

import (
	"fmt"
	"math"
	"time"
)

// complexity is Active Directory's rule of that name, see "Passwords must meet complexity requirements" in
// Microsoft's security policy reference.
const complexity = "Characters of three of these kinds: capital letters, small letters, digits, and signs such as ! or -; and no part of your name."

// rulesInWords says what is asked of a new password. The age counts for those only who change of their own accord.
func rulesInWords(r PasswordRules, chosen bool) []string {
	var words []string
	if r.MinLength > 0 {
		words = append(words, fmt.Sprintf("At least %s.", count(r.MinLength, "character")))
	}
	if r.Complex {
		words = append(words, complexity)
	}
	switch {
	case r.History == 1:
		words = append(words, "Not the password that you have now.")
	case r.History > 1:
		words = append(words, fmt.Sprintf("None of your last %d passwords.", r.History))
	}
	if chosen && r.MinAge > 0 {
		words = append(words, fmt.Sprintf("A password stays for %s before it can be changed again.", atLeast(r.MinAge)))
	}
	return words
}

// refusalInWords says why a new password was not taken.
func refusalInWords(reason string, r PasswordRules) string {
	switch reason {
	case "too_short":
		if r.MinLength > 0 {
			return fmt.Sprintf("That password is too short. It needs at least %s.", count(r.MinLength, "character"))
		}
		return "That password is too short. Choose a longer one."
	case "complexity":
		return "That password is too simple. It needs characters of three of these kinds: capital letters, small letters, digits, and signs such as ! or -; and no part of your name."
	case "history":
		return "You have had that password before. Choose one that is new."
	case "min_age":
		if r.MinAge > 0 {
			return fmt.Sprintf("Your password was changed a short while ago. It can be changed again %s after that.", atLeast(r.MinAge))
		}
		return "Your password was changed a short while ago, too short to change it again. Try again later."
	case "not_allowed":
		return "You may not change this password yourself. Ask the service desk."
	}
	return "The directory did not take that password. Choose a longer one, of different kinds of characters, that you have not used before and that holds no part of your name."
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// atLeast prints a duration in one unit, rounded up.
func atLeast(d time.Duration) string {
	up := func(unit time.Duration) int { return int(math.Ceil(float64(d) / float64(unit))) }
	switch {
	case d >= 24*time.Hour:
		return count(up(24*time.Hour), "day")
	case d >= time.Hour:
		return count(up(time.Hour), "hour")
	}
	return count(up(time.Minute), "minute")
}

// expiryInWords says when a password expires, where that is within the notice; else it is "".
func expiryInWords(expires, now time.Time, notice time.Duration) string {
	left := expires.Sub(now)
	switch {
	case expires.IsZero() || left <= 0 || left > notice:
		return ""
	case left < 24*time.Hour:
		return "Your password expires in less than a day."
	}
	return fmt.Sprintf("Your password expires in %s, on %s.", count(int(left/(24*time.Hour)), "day"), expires.Format("2 January 2006"))
}
