package totp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// MaxApps is how many authenticator apps one person may have: a phone, its successor, and a few to
// spare. Each further app gives a guess three more codes that fit.
const MaxApps = 5

const (
	idBytes    = 16
	firstLabel = "Authenticator app"
)

// BeginEnroll makes a seed and what the page shows of it. The seed is in the memo only: nothing is
// stored before a code has proved that the app holds it. It is good as long as the sign-in: a person who has scanned
// it, and takes their time, must not have to scan another.
func (f *Factor) BeginEnroll(ctx context.Context, u *idp.User, _ idp.Attempt) (idp.Step, error) {
	if u == nil {
		return idp.Step{}, errNoUser
	}
	apps, err := f.apps(ctx, u)
	if err != nil {
		return idp.Step{}, err
	}
	if len(apps) >= MaxApps {
		return idp.Step{}, tooMany()
	}
	random := make([]byte, seedBytes+idBytes)
	if _, err := io.ReadFull(f.rand, random); err != nil {
		return idp.Step{}, fmt.Errorf("making a seed: %w", err)
	}
	m := memo{
		Kind: kindEnroll, Factor: f.name, User: u.Key(),
		Seed: random[:seedBytes], ID: b32.EncodeToString(random[seedBytes:]),
	}
	data, err := m.encode()
	if err != nil {
		return idp.Step{}, err
	}
	key := b32.EncodeToString(m.Seed)
	address := keyAddress(f.issuer, accountName(u), key)
	picture, err := qrCode(address)
	if err != nil {
		return idp.Step{}, err
	}
	return idp.Step{Memo: data, View: idp.View{
		Title:   "Set up an authenticator app",
		Text:    "Scan the picture with your authenticator app, or type the key into it. Then enter the 6-digit code that it shows.",
		Digits:  digits,
		OTPAuth: address,
		Key:     grouped(key),
		QR:      picture,
	}}, nil
}

// FinishEnroll stores the app when the code fits its seed. It stores the code's step as spent in the
// same write, so that the code which set the app up signs nobody in again. One memo makes one app:
// the second answer to it gets ErrSpent and changes nothing.
func (f *Factor) FinishEnroll(ctx context.Context, u *idp.User, m []byte, answer url.Values) (idp.Proof, error) {
	if u == nil {
		return idp.Proof{}, errNoUser
	}
	now := f.now()
	begun, err := decodeMemo(m, kindEnroll, f.name, u.Key())
	if err != nil {
		return idp.Proof{}, err
	}
	code, ok := typedCode(answer)
	if !ok {
		return idp.Proof{}, idp.ErrBadCredentials
	}
	step, ok, err := matchingStep(begun.Seed, code, now)
	if err != nil {
		return idp.Proof{}, fmt.Errorf("setting up an authenticator app: %w", err)
	}
	if !ok {
		return idp.Proof{}, idp.ErrBadCredentials
	}
	// Looking and storing are two calls. In turn, a second answer to the same memo cannot put the row
	// back to an older step, and nobody ends up with more apps than MaxApps.
	select {
	case f.enrolling <- struct{}{}:
		defer func() { <-f.enrolling }()
	case <-ctx.Done():
		return idp.Proof{}, fmt.Errorf("waiting to store an authenticator app: %w", ctx.Err())
	}
	apps, err := f.apps(ctx, u)
	if err != nil {
		return idp.Proof{}, err
	}
	for _, app := range apps {
		if app.ID == begun.ID {
			return idp.Proof{}, idp.ErrSpent
		}
	}
	if len(apps) >= MaxApps {
		return idp.Proof{}, tooMany()
	}
	label := idp.FreeLabel(f.label, func(label string) bool {
		return slices.ContainsFunc(apps, func(o idp.Enrollment) bool { return o.Label == label })
	})
	err = f.store.PutEnrollment(ctx, idp.Enrollment{
		User: u.Key(), Factor: f.name, ID: begun.ID, Label: label,
		Secret: begun.Seed, Created: now, Used: now, Step: step,
	})
	if err != nil {
		return idp.Proof{}, fmt.Errorf("storing an authenticator app of %s: %w", u.Key(), err)
	}
	return f.proof(begun.ID, now), nil
}

func tooMany() error {
	return &idp.Error{
		Status: http.StatusConflict,
		Title:  "You have enough authenticator apps",
		Public: fmt.Sprintf("You have set up %d authenticator apps. Remove one in your settings, then add the new one.", MaxApps),
		Reason: "too_many_credentials",
	}
}
