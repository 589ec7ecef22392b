package web

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"
)

const defaultAccent = "#1f5c50"

// Grounds that text in the accent colour stands on; style.css has the same values.
var (
	lightGround = rgb{0xec, 0xeb, 0xe5}
	darkGround  = rgb{0x2a, 0x31, 0x2f}
	white       = rgb{0xff, 0xff, 0xff}
	black       = rgb{0x10, 0x16, 0x14}
)

type rgb [3]uint8

// accentCSS derives the colours that style.css uses from the one the administrator chose: the button,
// the text on it, and a shade for links and focus rings that is readable on the ground, for each scheme.
// Readable is a contrast of 4.5 (WCAG 2.2, 1.4.3).
func accentCSS(accent string) (string, error) {
	if accent == "" {
		accent = defaultAccent
	}
	c, err := parseColour(accent)
	if err != nil {
		return "", err
	}
	light := c.until(black, lightGround)
	dark := c.until(c.bright().mix(white, 12), darkGround).until(white, darkGround)
	return fmt.Sprintf(":root{--accent:%s;--on-accent:%s;--accent-text:%s}\n"+
		"@media (prefers-color-scheme:dark){:root{--accent:%s;--on-accent:%s;--accent-text:%s}}\n",
		c, c.ink(), light, dark, dark.ink(), dark), nil
}

func parseColour(s string) (rgb, error) {
	digits, ok := strings.CutPrefix(s, "#")
	if len(digits) == 3 {
		digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
	}
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != 3 {
		return rgb{}, fmt.Errorf("accent %q is not a colour like #1f5c50", s)
	}
	return rgb(b), nil
}

// String is the colour as CSS writes it.
func (c rgb) String() string { return "#" + hex.EncodeToString(c[:]) }

// until mixes the colour with another, step by step, until it is readable on the ground.
func (c rgb) until(other, ground rgb) rgb {
	mixed := c
	for step := 1; step <= 40 && contrast(mixed, ground) < 4.5; step++ {
		mixed = c.mix(other, step)
	}
	return mixed
}

// mix puts parts of another colour into this one; 40 parts are all of it.
func (c rgb) mix(other rgb, parts int) rgb {
	for i := range c {
		c[i] = uint8((int(c[i])*(40-parts) + int(other[i])*parts) / 40) //nolint:gosec // G115: a mean of two bytes is a byte
	}
	return c
}

// bright is the same hue as light as it gets; mixed with white only, a dark brand colour turns grey.
func (c rgb) bright() rgb {
	top := int(max(c[0], c[1], c[2], 1))
	for i := range c {
		c[i] = uint8(int(c[i]) * 255 / top) //nolint:gosec // G115: top is the largest of the three
	}
	return c
}

// ink is black or white, whichever is easier to read on the colour.
func (c rgb) ink() rgb {
	if contrast(white, c) >= contrast(black, c) {
		return white
	}
	return black
}

// contrast is the ratio of WCAG 2.2, between 1 and 21.
func contrast(a, b rgb) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func (c rgb) luminance() float64 {
	var lin [3]float64
	for i, v := range c {
		x := float64(v) / 255
		if x <= 0.04045 {
			lin[i] = x / 12.92
		} else {
			lin[i] = math.Pow((x+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*lin[0] + 0.7152*lin[1] + 0.0722*lin[2]
}
