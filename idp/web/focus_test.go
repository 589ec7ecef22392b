package web

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var (
	messages = regexp.MustCompile(`<[^<>]*(?:id="problem"|class="notice[^"]*" role="status")[^<>]*>`)
	focused  = regexp.MustCompile(`<[^<>]* autofocus[^<>]*>`)
)

// TestFocusTellsWhatHappened: what a page says of the step before is there from the beginning, when screen readers announce
// nothing. So it has the focus, or describes what has. Of several that want the focus a browser takes the first.
func TestFocusTellsWhatHappened(t *testing.T) {
	p := newPages(t)
	for name, page := range samples(p) {
		states := map[string]Page{name: page}
		switch page.(type) {
		case Portal: // what it says is of no step, and can wait
			continue
		case Settings, HelpDesk: // no sign-in leads there that could be over
		default:
			states[name+", late"] = late(page)
		}
		for state, page := range states {
			html := render(t, p, page)
			message, has := messages.FindString(html), focused.FindString(html)
			if message != "" && has != message && !strings.Contains(has, `aria-describedby="problem`) {
				t.Errorf("%s: the focus is at %q, which does not tell of %s", state, has, message)
			}
			if strings.Contains(has, `aria-describedby="problem`) && !strings.Contains(message, `id="problem"`) {
				t.Errorf("%s: %s tells of what is not there", state, has)
			}
		}
	}
}

// late is the page as somebody sees it whose page before had ended.
func late(page Page) Page {
	v := reflect.New(reflect.TypeOf(page)).Elem()
	v.Set(reflect.ValueOf(page))
	v.FieldByName("Frame").FieldByName("Late").SetBool(true)
	return v.Interface().(Page)
}
