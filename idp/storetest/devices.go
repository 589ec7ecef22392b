package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func (f *fixture) device(name, user string) *idp.Device {
	return &idp.Device{
		ID: id(name), Browser: id("browser of " + name), User: user, Label: "Chrome on Windows",
		Created: f.now(), Seen: f.now().Add(time.Minute), Expires: f.now().Add(30 * 24 * time.Hour),
		Proofs: []idp.Passed{{Proof: idp.Proof{Factor: "totp", At: f.now()}, Scope: idp.SharedScope}},
	}
}

func testDevices(t *testing.T, open opener) {
	t.Run("one row for each device and person", func(t *testing.T) {
		f := newFixture(t, open)
		ann, bob := f.device("d", "corp:ann"), f.device("d", "corp:bob")
		bob.Proofs = nil
		f.ok(f.PutDevice(f.ctx, ann))
		f.ok(f.PutDevice(f.ctx, bob))
		f.restart()
		for _, want := range []*idp.Device{ann, bob} {
			got, err := f.Device(f.ctx, want.ID, want.User, f.now())
			f.ok(err)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		}
		_, err := f.Device(f.ctx, ann.ID, "corp:eve", f.now())
		f.is(err, idp.ErrNotFound)
		_, err = f.Device(f.ctx, id("other"), ann.User, f.now())
		f.is(err, idp.ErrNotFound)
		browser, err := f.DeviceBrowser(f.ctx, ann.ID, f.now())
		f.ok(err)
		if browser != ann.Browser {
			t.Error("wrong browser")
		}
		_, err = f.DeviceBrowser(f.ctx, id("other"), f.now())
		f.is(err, idp.ErrNotFound)
	})
	t.Run("put replaces", func(t *testing.T) {
		f := newFixture(t, open)
		d := f.device("d", "corp:ann")
		f.ok(f.PutDevice(f.ctx, d))
		d.Label, d.Seen = "Firefox", d.Seen.Add(time.Hour)
		f.ok(f.PutDevice(f.ctx, d))
		list, err := f.UserDevices(f.ctx, d.User, f.now())
		f.ok(err)
		if len(list) != 1 || !reflect.DeepEqual(list[0], d) {
			t.Errorf("got %+v", list)
		}
	})
	t.Run("expired is not found", func(t *testing.T) {
		f := newFixture(t, open)
		d := f.device("d", "corp:ann")
		f.ok(f.PutDevice(f.ctx, d))
		for _, c := range []struct {
			at   time.Time
			want error
		}{{d.Expires.Add(-time.Nanosecond), nil}, {d.Expires, idp.ErrNotFound}} {
			_, err := f.Device(f.ctx, d.ID, d.User, c.at)
			f.is(err, c.want)
			_, err = f.DeviceBrowser(f.ctx, d.ID, c.at)
			f.is(err, c.want)
			list, err := f.UserDevices(f.ctx, d.User, c.at)
			f.ok(err)
			if (len(list) == 0) != (c.want != nil) {
				t.Errorf("listed %d at %v", len(list), c.at)
			}
		}
		f.clock.Advance(30 * 24 * time.Hour)
		f.sweep()
		_, err := f.Device(f.ctx, d.ID, d.User, d.Created)
		f.is(err, idp.ErrNotFound)
	})
	t.Run("listed newest first", func(t *testing.T) {
		f := newFixture(t, open)
		for i, name := range []string{"1", "3", "2"} {
			d := f.device(name, "corp:ann")
			d.Created = f.now().Add(time.Duration([]int{1, 3, 2}[i]) * time.Minute)
			f.ok(f.PutDevice(f.ctx, d))
		}
		f.ok(f.PutDevice(f.ctx, f.device("4", "corp:bob")))
		list, err := f.UserDevices(f.ctx, "corp:ann", f.now())
		f.ok(err)
		if len(list) != 3 || list[0].ID != id("3") || list[1].ID != id("2") || list[2].ID != id("1") {
			t.Errorf("wrong order of %d", len(list))
		}
	})
	t.Run("forgotten by one person only", func(t *testing.T) {
		f := newFixture(t, open)
		f.ok(f.PutDevice(f.ctx, f.device("d", "corp:ann")))
		f.ok(f.PutDevice(f.ctx, f.device("d", "corp:bob")))
		f.ok(f.DeleteDevice(f.ctx, id("d"), "corp:ann"))
		f.ok(f.DeleteDevice(f.ctx, id("d"), "corp:ann"))
		_, err := f.Device(f.ctx, id("d"), "corp:ann", f.now())
		f.is(err, idp.ErrNotFound)
		_, err = f.Device(f.ctx, id("d"), "corp:bob", f.now())
		f.ok(err)
	})
}
