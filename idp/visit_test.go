package idp_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// What an audit line keeps of a visit is what was decided on, to the nanosecond. A time that was read back has no monotonic
// reading, so that a visit which had some would be compared by another clock than its record.
func TestAVisitIsReadBackAsItWas(t *testing.T) {
	h := newVenue(t)
	begun := time.Now()
	cfg := baseConfig(t, h.store, func() time.Time { return begun.Add(h.clock.Now().Sub(begun)) }) // with a monotonic reading
	var err error
	if h.gateway, err = idp.New(cfg); err != nil {
		t.Fatal(err)
	}
	h.password(t, "alice", "/")
	h.authenticator(t)
	h.device(t, "yes")
	h.clock.move(2 * time.Minute)
	r := h.request(http.MethodGet, "/", nil)
	for _, c := range h.cookies(t) {
		r.AddCookie(c)
	}
	v, err := h.gateway.VisitOf(r, "connect")
	if err != nil {
		t.Fatal(err)
	}
	if v.Now.IsZero() || v.SignedIn.IsZero() || v.Seen.IsZero() || len(v.Session) != 2 || len(v.Device) != 2 {
		t.Fatalf("the visit has not all the times that there are: %+v", v)
	}
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var read idp.Visit
	if err := json.Unmarshal(doc, &read); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&read, v) {
		t.Errorf("read\n%#v\nwant\n%#v", &read, v)
	}
}
