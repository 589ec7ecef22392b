package e2e

import (
	"fmt"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

// Person is somebody who signs in: what they know and what they carry.
type Person struct {
	Name     string
	Password string
	Own      bool // answers yes to "Is this your device?"

	key  *otp.Key // in their authenticator app, once enrolled
	used int64    // last step whose code was typed
}

// Enroll puts the account into the person's app. A new one replaces the old.
func (p *Person) Enroll(otpauth string) error {
	key, err := otp.NewKeyFromURL(otpauth)
	if err != nil {
		return fmt.Errorf("enrolling %s: %w", p.Name, err)
	}
	p.key = key
	return nil
}

// Code returns a code that was never typed before. The gateway takes each step once and one step ahead, so
// the third code within 30 seconds waits for the clock.
func (p *Person) Code() (string, error) {
	if p.key == nil {
		return "", fmt.Errorf("%s has no authenticator app yet", p.Name)
	}
	period := int64(p.key.Period())
	step := max(time.Now().Unix()/period, p.used+1)
	if ahead := time.Until(time.Unix((step-1)*period, 0)); ahead > 0 {
		<-time.After(ahead)
	}
	p.used = step
	return totp.GenerateCode(p.key.Secret(), time.Unix(step*period, 0))
}
