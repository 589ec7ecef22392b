package ldap

import "context"

type backgroundKey struct{}

// background marks work that nobody waits for: it gives way to sign-ins where the directory is busy.
func background(ctx context.Context) context.Context {
	return context.WithValue(ctx, backgroundKey{}, true)
}
