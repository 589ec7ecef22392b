package samlapp

// FieldError is a mistake in one option of an application: which, what is wrong, what to write.
type FieldError struct {
	Field   string // as in the Caddyfile: "instance"
	Problem string
	Cure    string
}

// Error returns "field: problem; cure".
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem + "; " + e.Cure }
