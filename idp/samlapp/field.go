package samlapp

// FieldError is a mistake in one option of an application: which, what is wrong, what to write.
type FieldError struct {
	Field   string // as in the Caddyfile: "instance"
	Problem string
	Cure    string
}

// Error returns "field: problem; cure".
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem + "; " + e.Cure }

// RowError is a mistake in one row of an option that may be repeated, and says which.
type RowError struct {
	Row int // as written, from 0
	Err error
}

func (e *RowError) Error() string { return e.Err.Error() }

// Unwrap returns the [FieldError].
func (e *RowError) Unwrap() error { return e.Err }
