package totp_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	otp "github.com/pquerna/otp/totp"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/totp"
)

// phone stands for the store of a gateway, with one row.
type phone struct{ idp.Enrollment }

func (p *phone) PutEnrollment(_ context.Context, e idp.Enrollment) error {
	p.Enrollment = e
	return nil
}

func (p *phone) UserEnrollments(context.Context, string, string) ([]idp.Enrollment, error) {
	if p.ID == "" {
		return nil, nil
	}
	return []idp.Enrollment{p.Enrollment}, nil
}

func (p *phone) SpendStep(_ context.Context, _, _, _ string, step int64, at time.Time) error {
	if step <= p.Step {
		return idp.ErrSpent
	}
	p.Step, p.Used = step, at
	return nil
}

func (p *phone) DeleteEnrollment(context.Context, string, string, string) error {
	*p = phone{}
	return nil
}

func Example() {
	ctx := context.Background()
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	apps, err := totp.New(totp.Config{
		Issuer: "Example Apps",
		Store:  new(phone),
		Now:    func() time.Time { return now },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ann := &idp.User{Source: "staff", ID: "ann", Name: "ann"}

	// The person scans the QR code, or types the key, and answers with a code.
	page, err := apps.BeginEnroll(ctx, ann, idp.Attempt{})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := strings.ReplaceAll(page.View.Key, " ", "")
	code, _ := otp.GenerateCode(key, now)
	_, err = apps.FinishEnroll(ctx, ann, page.Memo, url.Values{"code": {code}})
	fmt.Println("enrolled:", err == nil)

	// At the next sign-in another code is asked for, and is good once.
	now = now.Add(time.Minute)
	code, _ = otp.GenerateCode(key, now)
	for range 2 {
		challenge, err := apps.Challenge(ctx, ann, idp.Attempt{})
		if err != nil {
			fmt.Println(err)
			return
		}
		proof, err := apps.Verify(ctx, ann, challenge.Memo, url.Values{"code": {code}})
		fmt.Println(proof.Factor, err == nil, errors.Is(err, idp.ErrSpent))
	}
	// Output:
	// enrolled: true
	// totp true false
	//  false true
}
