package totp

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pquerna/otp"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Longest parts of an otpauth address, in bytes once they are encoded. The issuer is in it twice, and
// a QR code that a phone can read from a screen holds a few hundred bytes.
const (
	maxIssuer  = 192
	maxAccount = 256
)

// accountName is what the app shows below the issuer.
func accountName(u *idp.User) string {
	for _, s := range []string{u.Name, u.Email, u.ID} {
		if plain(s) != "" {
			return s
		}
	}
	return "account"
}

// keyAddress returns the otpauth address in the form that apps read
// (https://github.com/google/google-authenticator/wiki/Key-Uri-Format).
func keyAddress(issuer, account, key string) string {
	// Apps split the label at its first colon, written or encoded, and compare what stands before it
	// with the issuer parameter. A colon in the title would cut it there; one in the user's name, which
	// comes after, is only encoded.
	i := escape(strings.ReplaceAll(issuer, ":", " "), maxIssuer)
	a := escape(account, maxAccount)
	return "otpauth://totp/" + i + ":" + a + "?secret=" + key + "&issuer=" + i +
		"&algorithm=SHA1&digits=" + strconv.Itoa(digits) + "&period=" + strconv.Itoa(period)
}

// escape percent-encodes all but letters, digits and "-_.~". A space is %20 in the path and in the
// query, since many apps do not read "+" as a space. What does not fit is cut off between two runes.
func escape(s string, most int) string {
	var b strings.Builder
	for _, r := range plain(s) {
		e := strings.ReplaceAll(url.QueryEscape(string(r)), "+", "%20")
		if b.Len()+len(e) > most {
			break
		}
		b.WriteString(e)
	}
	return b.String()
}

// plain leaves out what cannot be seen and makes each run of spaces one.
func plain(s string) string {
	seen := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(seen), " ")
}

// grouped writes a key in groups of four, for typing.
func grouped(key string) string {
	var groups []string
	for ; len(key) > 4; key = key[4:] {
		groups = append(groups, key[:4])
	}
	return strings.Join(append(groups, key), " ")
}

const (
	qrSize    = 384 // pixels before the margin
	quietZone = 4   // modules of white around the code (ISO/IEC 18004 §6.3.8)
	finder    = 7   // modules across a corner mark, whose edge is all dark
)

// qrCode draws an address as a PNG of two colors, with each module a whole number of pixels. The
// library leaves only what space remains around the code, so that the quiet zone is added here.
func qrCode(address string) ([]byte, error) {
	// The address holds the seed, and so may the errors of a parser.
	key, err := otp.NewKeyFromURL(address)
	if err != nil {
		return nil, errors.New("the address of an authenticator key cannot be read")
	}
	code, err := key.Image(qrSize, qrSize)
	if err != nil {
		return nil, errors.New("the address of an authenticator key does not fit a QR code")
	}
	margin := quietZone * moduleSize(code)
	size := qrSize + 2*margin
	picture := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{color.White, color.Black})
	for y := range qrSize {
		for x := range qrSize {
			if dark(code, x, y) {
				picture.SetColorIndex(x+margin, y+margin, 1)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return nil, fmt.Errorf("drawing a QR code: %w", err)
	}
	return b.Bytes(), nil
}

// moduleSize measures the pixels of a module at the upper edge of the first corner mark, the first
// dark pixels from the upper left.
func moduleSize(code image.Image) int {
	r := code.Bounds()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		run := 0
		for x := r.Min.X; x < r.Max.X; x++ {
			if dark(code, x, y) {
				run++
			} else if run > 0 {
				break
			}
		}
		if run > 0 {
			return max(run/finder, 1)
		}
	}
	return 1
}

func dark(m image.Image, x, y int) bool {
	return color.GrayModel.Convert(m.At(x, y)) == color.Gray{Y: 0}
}
