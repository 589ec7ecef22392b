package visit_test

import (
	"net/netip"
	"strings"
	"testing"
)

var probe = netip.MustParseAddr("203.0.113.7")

func TestCountriesRefresh(t *testing.T) {
	path := written(t, "c.mmdb", database(t, "x", map[string]record{"203.0.113.0/24": inCountry("DE")}))
	c := openCountries(t, path)
	for _, step := range []struct {
		content []byte
		changed bool
		err     string
		country string
	}{
		{database(t, "x", map[string]record{"203.0.113.0/24": inCountry("FR")}), true, "", "FR"},
		{[]byte("cut short"), false, "not in MaxMind's format", "FR"},
		{database(t, "x", map[string]record{"203.0.113.0/24": inCountry("NL")}), true, "", "NL"},
	} {
		replace(t, path, step.content)
		changed, err := c.Refresh()
		if changed != step.changed || (step.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), step.err) {
			t.Errorf("want %s: changed %v, %v", step.country, changed, err)
		}
		if got := c.Country(probe); got != step.country {
			t.Errorf("%s, want %s", got, step.country)
		}
	}
}
