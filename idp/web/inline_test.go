package web

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var (
	tagPattern  = regexp.MustCompile(`(?s)<(/?[a-zA-Z][a-zA-Z0-9]*)((?:"[^"]*"|[^>"])*)>`)
	attrPattern = regexp.MustCompile(`(?s)([^\s"=/]+)(?:="([^"]*)")?`)
	handler     = regexp.MustCompile(`^on[a-z]+$`)
)

// inline returns what the policy would have to forbid.
func inline(html string) []string {
	var found []string
	for _, m := range tagPattern.FindAllStringSubmatch(html, -1) {
		tag := strings.ToLower(m[1])
		attrs := map[string]string{}
		for _, a := range attrPattern.FindAllStringSubmatch(m[2], -1) {
			attrs[strings.ToLower(a[1])] = a[2]
		}
		for name, value := range attrs {
			if handler.MatchString(name) || name == "style" || name == "http-equiv" || name == "srcdoc" {
				found = append(found, tag+" "+name)
			}
			if strings.HasPrefix(strings.ToLower(value), "javascript:") && (name == "href" || name == "src" || strings.HasSuffix(name, "action")) {
				found = append(found, tag+" "+name+"="+value)
			}
		}
		if _, ok := attrs["src"]; tag == "script" && !ok || tag == "style" || tag == "base" || tag == "iframe" {
			found = append(found, tag)
		}
	}
	return found
}

// TestR17 keeps the templates free of contexts whose escapers have failed before (CVE-2026-27142 and
// others): script and style bodies, event handlers, meta refresh, javascript: addresses.
func TestR17(t *testing.T) {
	templates, err := filepath.Glob("*.html")
	if err != nil || len(templates) < len(all) {
		t.Fatal(templates, err)
	}
	for _, f := range templates {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		flat := regexp.MustCompile(`(?s)\{\{.*?\}\}`).ReplaceAllString(string(src), "")
		for _, bad := range inline(flat) {
			t.Errorf("%s has %s", f, bad)
		}
		if strings.Contains(string(src), "javascript:") || regexp.MustCompile(`https?://`).Match(src) {
			t.Errorf("%s has an address that is not ours", f)
		}
	}
	p := newPages(t)
	for name, page := range samples(p) {
		for _, bad := range inline(render(t, p, page)) {
			t.Errorf("%s has %s", name, bad)
		}
	}
	for _, bad := range []string{`<script>x</script>`, `<a onclick="x">`, `<p style="x">`, `<meta http-equiv="refresh">`, `<a href="JavaScript:x">`} {
		if len(inline(bad)) == 0 {
			t.Errorf("the test does not see %s", bad)
		}
	}
}

// shape is the page without what people typed: its elements and the names of their attributes.
func shape(html string) string {
	var b strings.Builder
	for _, m := range tagPattern.FindAllStringSubmatch(html, -1) {
		b.WriteString("<" + m[1])
		for _, a := range attrPattern.FindAllStringSubmatch(m[2], -1) {
			b.WriteString(" " + a[1])
		}
		b.WriteString(">\n")
	}
	return b.String()
}

// fill puts s into every string of a page, one element into every slice, and b into every bool.
func fill(v reflect.Value, s string, b bool) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		v.SetBool(b)
	case reflect.Int:
		v.SetInt(6)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), s, b)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field, s, b)
		}
	default:
		panic("a page holds strings, numbers, bools, structs and slices only, not " + v.Kind().String())
	}
}

func filled(page Page, s string, b bool) Page {
	v := reflect.New(reflect.TypeOf(page)).Elem()
	fill(v, s, b)
	return v.Interface().(Page)
}

func typeName(page Page) string { return reflect.TypeOf(page).Name() }

// TestR31 puts the canary of the security notes into every string of every page. The page must have
// the very shape that it has with harmless text: no element and no attribute more.
func TestR31(t *testing.T) {
	canaries := []string{
		`"><svg onload=1>`, `'><svg onload=1>`, `</title><svg onload=1>`, `</script><svg onload=1>`, "` onload=1 ",
		`" onload=1 x="`, `<!--`, `{{.Title}}`, "\x00<svg onload=1>", `javascript:alert(1)`, `data:text/html,<svg onload=1>`,
		`data:image/svg+xml;base64,"><svg onload=1>`, `/assets/"><svg onload=1>`, `otpauth://totp/"><svg onload=1>`, `//evil.example/x`,
	}
	p := newPages(t)
	for _, page := range all {
		for _, b := range []bool{false, true} {
			want := shape(render(t, p, filled(page, "harmless", b)))
			for _, c := range canaries {
				html := render(t, p, filled(page, c, b))
				if strings.Contains(html, "<svg onload") {
					t.Errorf("%s: %q comes out as it went in", typeName(page), c)
				}
				if shape(html) != want {
					t.Errorf("%s: %q changes the page", typeName(page), c)
				}
				for _, bad := range inline(html) {
					t.Errorf("%s: %q makes %s", typeName(page), c, bad)
				}
			}
		}
	}
}
