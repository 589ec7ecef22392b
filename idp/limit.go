package idp

// Limiter bounds attempts at passwords and codes. Its gates are in memory and its counts in the
// store, so that one Limiter is shared by the configurations before and after a reload.
type Limiter struct {
	limits Limits
}

// NewLimiter returns a limiter; zero limits take the defaults.
func NewLimiter(l Limits) *Limiter { return &Limiter{limits: l} }
