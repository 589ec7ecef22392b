package samlguard

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
)

// Inflate undoes the DEFLATE encoding of the HTTP-Redirect binding (SAML Bindings §3.4.4.1) and stops
// at most bytes of output, 0 meaning 128 KiB. A query of 5 KB can stand for 4 MB, so the cap is on what
// comes out and is checked while it comes. Data after the compressed stream is refused.
func Inflate(data []byte, most int) ([]byte, error) {
	if most <= 0 {
		most = Limits{}.withDefaults().Bytes
	}
	in := bytes.NewReader(data)
	z := flate.NewReader(in)
	out, err := io.ReadAll(io.LimitReader(z, int64(most)+1))
	at := len(data) - in.Len()
	switch {
	case err != nil:
		return nil, &Refused{BadDeflate, at, "not a DEFLATE stream"}
	case len(out) > most:
		return nil, &Refused{TooLarge, at, fmt.Sprintf("inflates to more than %d bytes", most)}
	case in.Len() > 0:
		return nil, &Refused{TrailingContent, at, "data after the DEFLATE stream"}
	}
	return out, nil
}
