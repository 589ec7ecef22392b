package caddymodule

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// maxImage bounds pictures: each is on the page that everybody sees first.
const maxImage = 256 << 10

var imageTypes = map[string]string{
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp",
}

// readImage reads a picture of the configuration. No name gives no picture.
func readImage(option, name string) (idp.Image, error) {
	if name == "" {
		return idp.Image{}, nil
	}
	kind, ok := imageTypes[strings.ToLower(filepath.Ext(name))]
	if !ok {
		return idp.Image{}, fmt.Errorf("%s %s: the file is .svg, .png, .jpg or .webp", option, name)
	}
	f, err := os.Open(name) //nolint:gosec // G304: the admin names the file
	if err != nil {
		return idp.Image{}, fmt.Errorf("%s: %w", option, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxImage+1))
	switch {
	case err != nil:
		return idp.Image{}, fmt.Errorf("%s: reading %s: %w", option, name, err)
	case len(data) == 0 || len(data) > maxImage:
		return idp.Image{}, fmt.Errorf("%s %s: the file has 1 byte to 256 KiB", option, name)
	}
	return idp.Image{Type: kind, Data: data}, nil
}
