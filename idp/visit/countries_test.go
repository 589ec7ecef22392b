package visit_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"go4.org/netipx"

	"github.com/gatehouse-sso/gatehouse/idp/visit"
)

// record is what a country file has for a network.
type record = mmdbtype.Map

// inCountry is a record as MaxMind writes it.
func inCountry(code string) record {
	return record{"country": record{"iso_code": mmdbtype.String(code)}, "continent": record{"code": mmdbtype.String("XX")}}
}

// database makes a file's content in MaxMind's format.
func database(t testing.TB, kind string, records map[string]record) []byte {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, r := range records {
		if err := w.Insert(netipx.PrefixIPNet(netip.MustParsePrefix(network)), r); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// written puts content into a new file.
func written(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	replace(t, path, content)
	return path
}

// replace puts another file into the place of one, as programs do that renew lists: the reader never sees half of it.
func replace(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func openCountries(t testing.TB, path string) *visit.Countries {
	t.Helper()
	c, err := visit.OpenCountries(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCountry(t *testing.T) {
	c := openCountries(t, written(t, "c.mmdb", database(t, "GeoLite2-Country", map[string]record{
		"203.0.113.0/24":     inCountry("DE"),
		"198.51.100.0/25":    inCountry("US"),
		"198.51.100.128/25":  {"continent": record{"code": mmdbtype.String("EU")}},
		"192.0.2.0/25":       inCountry("de"),
		"192.0.2.128/25":     {"country": record{"iso_code": mmdbtype.Uint32(7)}},
		"2001:db8::/32":      inCountry("FR"),
		"10.0.0.0/8":         inCountry("US"),
		"127.0.0.0/8":        inCountry("US"),
		"fd00::/8":           inCountry("US"),
		"100.64.0.0/10":      inCountry("US"),
		"169.254.169.254/32": inCountry("US"),
	})))
	for address, want := range map[string]string{
		"203.0.113.7":          "DE",
		"198.51.100.7":         "US",
		"2001:db8::7":          "FR",
		"2001:db8::7%eth0":     "FR",
		"::ffff:203.0.113.7":   "DE",
		"::ffff:203.0.113.7%1": "DE",

		"198.51.100.200":  "", // a continent is no country
		"192.0.2.7":       "", // no code
		"192.0.2.200":     "", // no text
		"8.8.8.8":         "", // not in the file
		"2001:4860::8888": "",

		"10.1.2.3": "", "127.0.0.1": "", "fd00::1": "", "100.64.0.1": "", "169.254.169.254": "", "::1": "", "fe80::1%eth0": "", "0.0.0.0": "",
	} {
		if got := c.Country(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is in %q, want %q", address, got, want)
		}
	}
	if got := c.Country(netip.Addr{}); got != "" {
		t.Errorf("no address is in %q", got)
	}
}

// TestCountryOtherMakers reads the records of IPinfo, which are flat.
func TestCountryOtherMakers(t *testing.T) {
	for kind, r := range map[string]record{
		"ipinfo lite":    {"country": mmdbtype.String("Germany"), "country_code": mmdbtype.String("DE")},
		"ipinfo country": {"country": mmdbtype.String("DE"), "country_name": mmdbtype.String("Germany")},
	} {
		c := openCountries(t, written(t, "c.mmdb", database(t, kind, map[string]record{"203.0.113.0/24": r})))
		if got := c.Country(netip.MustParseAddr("203.0.113.7")); got != "DE" {
			t.Errorf("%s: %q", kind, got)
		}
	}
}

func TestOpenCountriesRefuses(t *testing.T) {
	good := database(t, "GeoLite2-Country", map[string]record{"203.0.113.0/24": inCountry("DE")})
	for name, c := range map[string]struct {
		content []byte
		want    []string
	}{
		"asn.mmdb": {
			database(t, "GeoLite2-ASN", map[string]record{"203.0.113.0/24": {"autonomous_system_number": mmdbtype.Uint32(64500)}}),
			[]string{`"GeoLite2-ASN"`, "names no countries", "GeoLite2-Country.mmdb"},
		},
		"none.mmdb":  {database(t, "GeoLite2-Country", nil), []string{"names no countries"}},
		"gz.mmdb":    {[]byte("\x1f\x8b\x08 packed"), []string{"not in MaxMind's format", "unpacked"}},
		"short.mmdb": {good[:len(good)/2], []string{"not in MaxMind's format, or is cut short"}},
		"empty.mmdb": {nil, []string{"not in MaxMind's format"}},
	} {
		path := written(t, name, c.content)
		_, err := visit.OpenCountries(path)
		if err == nil {
			t.Errorf("%s was taken", name)
			continue
		}
		for _, want := range append(c.want, path) {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
		}
	}
	missing := filepath.Join(t.TempDir(), "missing.mmdb")
	if _, err := visit.OpenCountries(missing); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) || !strings.Contains(err.Error(), "GeoLite2-Country.mmdb") {
		t.Error(err)
	}
	if _, err := visit.OpenCountries(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Error(err)
	}
}

func TestParseCountry(t *testing.T) {
	if got, err := visit.ParseCountry("DE"); got != "DE" || err != nil {
		t.Error(got, err)
	}
	for code, want := range map[string]string{"UK": "GB", "de": "two capitals", "DEU": "two capitals", "": "two capitals", "Ä": "two capitals", "1A": "two capitals"} {
		if got, err := visit.ParseCountry(code); got != "" || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v", code, got, err)
		}
	}
}

// FuzzCountries damages a database: it is refused, or answers with countries and nothing else.
func FuzzCountries(f *testing.F) {
	f.Add(database(f, "GeoLite2-Country", map[string]record{"203.0.113.0/24": inCountry("DE"), "2001:db8::/32": inCountry("FR")}))
	f.Add(database(f, "x", map[string]record{"0.0.0.0/1": {"country": mmdbtype.String("DE")}}))
	f.Fuzz(func(t *testing.T, content []byte) {
		c, err := visit.OpenCountries(written(t, "c.mmdb", content))
		if err != nil {
			return
		}
		for _, address := range []string{"203.0.113.7", "2001:db8::7", "8.8.8.8"} {
			if code := c.Country(netip.MustParseAddr(address)); code != "" {
				if _, err := visit.ParseCountry(code); err != nil && code != "UK" {
					t.Error(err)
				}
			}
		}
	})
}

func BenchmarkCountry(b *testing.B) {
	c := openCountries(b, written(b, "c.mmdb", database(b, "GeoLite2-Country", map[string]record{"203.0.113.0/24": inCountry("DE")})))
	a := netip.MustParseAddr("203.0.113.7")
	b.ReportAllocs()
	for b.Loop() {
		c.Country(a)
	}
}
