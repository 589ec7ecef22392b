package visit

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Countries knows the country of an address from a file in MaxMind's format. It is safe for concurrent use.
type Countries struct{ file *file[countryFile] }

// countryFile is such a file in memory, and where its records have the country.
type countryFile struct {
	reader *maxminddb.Reader
	place  []any
}

// countryPlaces is where records have the country's code: as MaxMind and DB-IP write them, and as IPinfo does.
var countryPlaces = [][]any{{"country", "iso_code"}, {"country_code"}, {"country"}}

// sampled is how many records are looked at for a country before a file is believed to have none. Some networks have
// none in any file.
const sampled = 10_000

// OpenCountries reads a file. The error names it, and says what to do.
func OpenCountries(path string) (*Countries, error) {
	c := &Countries{&file[countryFile]{
		path: path, what: "country file", most: 512 << 20, parse: parseCountries,
		cure: "put one there that names countries, unpacked, for instance GeoLite2-Country.mmdb, or correct the path",
	}}
	if _, err := c.file.refresh(); err != nil {
		return nil, err
	}
	return c, nil
}

// Refresh reads the file again if it changed, and reports whether it did. With an error the old content stays in use.
// It costs one stat, so once a minute is well.
func (c *Countries) Refresh() (changed bool, err error) { return c.file.refresh() }

// Version names the content of the file: another content has another version.
func (c *Countries) Version() string { return c.file.version() }

// Country returns the code of ISO 3166-1, two capitals, or "" where the file has none: for an unknown address, for one
// that is not of the internet whatever the file has, and for networks of no country.
func (c *Countries) Country(a netip.Addr) string {
	a = plain(a)
	if !a.IsValid() {
		return ""
	}
	if share, _ := Private(netip.PrefixFrom(a, a.BitLen())); share != Public {
		return ""
	}
	f := c.file.get()
	return countryAt(f.reader.Lookup(a), f.place)
}

// plain is an address without the clothes that would hide it from a table (security.md C-57).
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// countryAt reads the code at a place of a record. What is no code is no country.
func countryAt(record maxminddb.Result, place []any) string {
	var code string
	if err := record.DecodePath(&code, place...); err != nil || !isCountry(code) {
		return ""
	}
	return code
}

func isCountry(code string) bool {
	return len(code) == 2 && 'A' <= code[0] && code[0] <= 'Z' && 'A' <= code[1] && code[1] <= 'Z'
}

// ParseCountry reads the code of a country in a Caddyfile.
func ParseCountry(code string) (string, error) {
	if code == "UK" {
		return "", errors.New(`"UK" is no country in ISO 3166-1; the United Kingdom is GB`)
	}
	if !isCountry(code) {
		return "", fmt.Errorf("%q is no country; write the two capitals of ISO 3166-1, like DE or US", code)
	}
	return code, nil
}

// parseCountries opens a database and finds out where its records have the country.
func parseCountries(path string, content []byte) (*countryFile, error) {
	r, err := maxminddb.OpenBytes(content)
	if err != nil {
		return nil, fmt.Errorf("country file %s is not in MaxMind's format, or is cut short: put the unpacked .mmdb there: %w", path, err)
	}
	seen := 0
	for record := range r.Networks() {
		if err := record.Err(); err != nil {
			return nil, fmt.Errorf("country file %s is damaged: put a fresh copy there: %w", path, err)
		}
		for _, place := range countryPlaces {
			if countryAt(record, place) != "" {
				return &countryFile{r, place}, nil
			}
		}
		if seen++; seen == sampled {
			break
		}
	}
	return nil, fmt.Errorf("country file %s is a %q database, which names no countries: take a Country or City file, for instance GeoLite2-Country.mmdb", path, r.Metadata.DatabaseType)
}
