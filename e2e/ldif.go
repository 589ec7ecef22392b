package e2e

import (
	"encoding/base64"
	"strings"
)

// ldifValues are the values of an attribute in what ldapsearch printed without wrapping lines.
func ldifValues(ldif, attribute string) []string {
	var values []string
	for line := range strings.Lines(ldif) {
		name, value, found := strings.Cut(strings.TrimRight(line, "\n"), ":")
		if !found || !strings.EqualFold(name, attribute) {
			continue
		}
		if coded, ok := strings.CutPrefix(value, ": "); ok {
			if plain, err := base64.StdEncoding.DecodeString(coded); err == nil {
				values = append(values, string(plain))
				continue
			}
		}
		values = append(values, strings.TrimPrefix(value, " "))
	}
	return values
}
