package awssignin

import (
	"bytes"
	"testing"
)

func TestCheckMetadata(t *testing.T) {
	good := golden().document()
	for name, c := range map[string]struct {
		document []byte
		rule     string // of the first finding; empty for none
	}{
		"as it is":          {good, ""},
		"byte order mark":   {append([]byte(byteOrderMark), good...), "M1"},
		"too short":         {[]byte("<a/>"), "M1"},
		"no certificate":    {bytes.ReplaceAll(good, []byte("KeyDescriptor"), []byte("OtherDescriptor")), "M3"},
		"broken key":        {bytes.ReplaceAll(good, []byte("<X509Certificate>"), []byte("<X509Certificate>AAAA")), "M4"},
		"short valid until": {bytes.Replace(good, []byte("entityID="), []byte(`validUntil="2020-01-01T00:00:00Z" entityID=`), 1), "M8"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if f := CheckMetadata(c.document, testNow); len(f) > 0 {
				got = f[0].Rule
			}
			if got != c.rule {
				t.Errorf("first finding is of rule %q, want %q", got, c.rule)
			}
		})
	}
}
