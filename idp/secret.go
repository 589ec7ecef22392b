package idp

import "log/slog"

const redacted = "[redacted]"

// Secret is text that must never be printed: a bind password, a client secret, a seed.
// Every way of formatting or encoding it gives "[redacted]"; Reveal alone gives the text.
type Secret struct{ text string }

// NewSecret wraps text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text itself, for the one call that needs it.
func (s Secret) Reveal() string { return s.text }

// Empty reports whether there is no text.
func (s Secret) Empty() bool { return s.text == "" }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]", for %#v.
func (Secret) GoString() string { return redacted }

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]", for JSON and every other encoder.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
