package totp

import (
	"bytes"
	"encoding/base32"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/pquerna/otp"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// C-37: the seed is shown once, lives nowhere before a code proves it, and the code that proved it is spent.
func TestC37SeedIsStoredAfterACode(t *testing.T) {
	b := newBench(t)
	step, err := b.BeginEnroll(t.Context(), ann, idp.Attempt{})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.store.rows) != 0 {
		t.Fatal("something is stored already")
	}
	v := step.View
	key := strings.ReplaceAll(v.Key, " ", "")
	seed, err := base32.StdEncoding.DecodeString(key)
	if err != nil || len(seed) != 20 || len(strings.Fields(v.Key)) != 8 || v.Digits != 6 || step.URL != "" {
		t.Errorf("key %q, digits %d, address %q: %v", v.Key, v.Digits, step.URL, err)
	}
	if !step.Expires.IsZero() {
		t.Errorf("expires %s, before the sign-in does", step.Expires)
	}
	_, err = b.FinishEnroll(t.Context(), ann, step.Memo, b.code(key, 5*time.Minute))
	b.wantErr(err, idp.ErrBadCredentials)
	_, err = b.FinishEnroll(t.Context(), ann, step.Memo, nil)
	b.wantErr(err, idp.ErrBadCredentials)
	if len(b.store.rows) != 0 {
		t.Fatal("a wrong code stored something")
	}
	p, err := b.FinishEnroll(t.Context(), ann, step.Memo, b.code(key, 0))
	if err != nil || len(b.store.rows) != 1 {
		t.Fatalf("%d rows, %v", len(b.store.rows), err)
	}
	e := b.store.rows[0]
	if want := (idp.Proof{Factor: "totp", Credential: e.ID, ACR: ACR, At: noon}); p != want {
		t.Errorf("proof %+v, want %+v", p, want)
	}
	if e.User != "staff:ann" || e.Factor != "totp" || len(e.ID) < 26 || e.Label != "Authenticator app" ||
		!bytes.Equal(e.Secret, seed) || !e.Created.Equal(noon) || !e.Used.Equal(noon) || e.Step != noon.Unix()/30 {
		t.Errorf("row %+v", e)
	}
	_, err = b.verify(ann, b.code(key, 0))
	b.wantErr(err, idp.ErrSpent)
	b.clock = b.clock.Add(30 * time.Second)
	_, err = b.verify(ann, b.code(key, 0))
	b.wantErr(err, nil)
}

func TestEnrollmentsAreApart(t *testing.T) {
	b := newBench(t)
	seeds := make(map[string]bool)
	for range MaxApps {
		seeds[b.enroll(ann)] = true
	}
	ids, labels := make(map[string]bool), make([]string, 0, MaxApps)
	for _, e := range b.store.rows {
		ids[e.ID] = true
		labels = append(labels, e.Label)
	}
	if len(seeds) != MaxApps || len(ids) != MaxApps {
		t.Errorf("%d seeds and %d ids, want %d", len(seeds), len(ids), MaxApps)
	}
	if got := strings.Join(labels, ", "); got != "Authenticator app, Authenticator app 2, Authenticator app 3, Authenticator app 4, Authenticator app 5" {
		t.Errorf("labels %s", got)
	}
	_, err := b.BeginEnroll(t.Context(), ann, idp.Attempt{})
	var e *idp.Error
	if !errors.As(err, &e) || e.Status != 409 || e.Reason != "too_many_credentials" {
		t.Errorf("one too many: %v", err)
	}
	b.enroll(ben)
}

// An answer that is sent twice must not put the row back to an older step, which would make the
// codes between good again.
func TestFinishEnrollOnce(t *testing.T) {
	b := newBench(t)
	step, err := b.BeginEnroll(t.Context(), ann, idp.Attempt{})
	if err != nil {
		t.Fatal(err)
	}
	key := strings.ReplaceAll(step.View.Key, " ", "")
	answer := b.code(key, 0)
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			switch _, err := b.FinishEnroll(t.Context(), ann, step.Memo, answer); {
			case err == nil:
				passed.Add(1)
			case !errors.Is(err, idp.ErrSpent):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if passed.Load() != 1 || len(b.store.rows) != 1 {
		t.Fatalf("%d passed and %d rows, want 1 and 1", passed.Load(), len(b.store.rows))
	}
	next := b.code(key, 30*time.Second)
	_, err = b.verify(ann, next)
	b.wantErr(err, nil)
	_, err = b.FinishEnroll(t.Context(), ann, step.Memo, answer)
	b.wantErr(err, idp.ErrSpent)
	_, err = b.verify(ann, next)
	b.wantErr(err, idp.ErrSpent)
}

func TestManyBegunAtOnceStayWithinTheLimit(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	var passed atomic.Int64
	steps := make([]idp.Step, 20)
	for i := range steps {
		var err error
		if steps[i], err = b.BeginEnroll(t.Context(), ann, idp.Attempt{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range steps {
		answer := b.code(strings.ReplaceAll(step.View.Key, " ", ""), 0)
		wg.Go(func() {
			if _, err := b.FinishEnroll(t.Context(), ann, step.Memo, answer); err == nil {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if passed.Load() != MaxApps || len(b.store.rows) != MaxApps {
		t.Errorf("%d passed and %d rows, want %d", passed.Load(), len(b.store.rows), MaxApps)
	}
}

func TestSeedIsInNoError(t *testing.T) {
	b := newBench(t)
	step, err := b.BeginEnroll(t.Context(), ann, idp.Attempt{})
	if err != nil {
		t.Fatal(err)
	}
	key := strings.ReplaceAll(step.View.Key, " ", "")
	raw, err := base32.StdEncoding.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	b.store.fail = errors.New("disk full")
	_, finish := b.FinishEnroll(t.Context(), ann, step.Memo, b.code(key, 0))
	_, begin := b.BeginEnroll(t.Context(), ann, idp.Attempt{})
	_, tooLong := qrCode("otpauth://totp/a?secret=" + key + strings.Repeat("x", 5000))
	_, unreadable := qrCode("otpauth://totp/%zz?secret=" + key)
	for _, err := range []error{finish, begin, tooLong, unreadable} {
		if err == nil {
			t.Error("no error")
			continue
		}
		for _, secret := range []string{key, string(raw), fmt.Sprintf("%x", raw), fmt.Sprint(string(raw))} {
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, secret) {
				t.Errorf("the seed is in: %s", text)
			}
		}
	}
}

func TestRandomnessFails(t *testing.T) {
	f, err := New(Config{Issuer: "Example", Store: &shelf{}, Rand: bytes.NewReader(make([]byte, 35))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.BeginEnroll(t.Context(), ann, idp.Attempt{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

func TestOTPAuth(t *testing.T) {
	const tail = "&algorithm=SHA1&digits=6&period=30"
	for _, tt := range []struct {
		issuer, name, want, appIssuer, appName string
	}{
		{"Example Apps", "ann", "otpauth://totp/Example%20Apps:ann?secret=KEY&issuer=Example%20Apps" + tail, "Example Apps", "ann"},
		{
			"Sign in", "ann+1@example.com", "otpauth://totp/Sign%20in:ann%2B1%40example.com?secret=KEY&issuer=Sign%20in" + tail,
			"Sign in", "ann+1@example.com",
		},
		{"A: B", "x:y", "otpauth://totp/A%20B:x%3Ay?secret=KEY&issuer=A%20B" + tail, "A B", "x:y"},
		{`R&D?#/%`, `CORP\ann`, `otpauth://totp/R%26D%3F%23%2F%25:CORP%5Cann?secret=KEY&issuer=R%26D%3F%23%2F%25` + tail, `R&D?#/%`, `CORP\ann`},
		{"Größe", "あ", "otpauth://totp/Gr%C3%B6%C3%9Fe:%E3%81%82?secret=KEY&issuer=Gr%C3%B6%C3%9Fe" + tail, "Größe", "あ"},
		{"a\nb\x00c", " d\u200be ", "otpauth://totp/a%20bc:de?secret=KEY&issuer=a%20bc" + tail, "a bc", "de"},
	} {
		got := keyAddress(tt.issuer, tt.name, "KEY")
		if got != tt.want {
			t.Errorf("%q, %q:\n%s, want\n%s", tt.issuer, tt.name, got, tt.want)
		}
		// What an app makes of it.
		k, err := otp.NewKeyFromURL(got)
		if err != nil {
			t.Errorf("%s: %v", got, err)
			continue
		}
		if k.Issuer() != tt.appIssuer || k.AccountName() != tt.appName || k.Secret() != "KEY" || k.Period() != 30 || k.Digits() != otp.DigitsSix {
			t.Errorf("an app reads issuer %q, name %q, secret %q", k.Issuer(), k.AccountName(), k.Secret())
		}
		if u, err := url.Parse(got); err != nil || !strings.HasPrefix(u.Path, "/"+tt.appIssuer+":") {
			t.Errorf("label %q: %v", u.Path, err)
		}
	}
}

func TestQRCodeOfLongNames(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"ann", strings.Repeat("あ", 300), strings.Repeat("x", 300), "\x00"} {
		b.issuer = "Example " + name
		step, err := b.BeginEnroll(t.Context(), &idp.User{Source: "staff", ID: "x", Name: name}, idp.Attempt{})
		if err != nil {
			t.Errorf("%.9q: %v", name, err)
			continue
		}
		if n := len(step.View.OTPAuth); n > 800 {
			t.Errorf("%.9q: the address has %d bytes", name, n)
		}
		checkPicture(t, step.View.QR, step.View.OTPAuth)
	}
}

// checkPicture reads the picture as a telephone does, and finds the corner marks and the quiet zone.
func checkPicture(t *testing.T, data []byte, address string) {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	seen, err := gozxing.NewBinaryBitmapFromImage(m)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := qrcode.NewQRCodeReader().DecodeWithoutHints(seen); err != nil || read.GetText() != address {
		t.Errorf("a telephone reads %v (%v), want %s", read, err, address)
	}
	if p, ok := m.ColorModel().(color.Palette); !ok || len(p) != 2 {
		t.Error("the picture has more than two colors")
	}
	size := m.Bounds().Dx()
	if size != m.Bounds().Dy() || size < 384 || size > 700 {
		t.Errorf("the picture is %v", m.Bounds())
	}
	box := image.Rectangle{Min: image.Pt(size, size)}
	for y := range size {
		for x := range size {
			if dark(m, x, y) {
				box = image.Rect(min(box.Min.X, x), min(box.Min.Y, y), max(box.Max.X, x+1), max(box.Max.Y, y+1))
			}
		}
	}
	module := moduleSize(m)
	if module < 2 || box.Dx() != box.Dy() || box.Dx()%module != 0 || (box.Dx()/module-17)%4 != 0 {
		t.Errorf("the code is %v in modules of %d pixels", box, module)
	}
	for _, margin := range []int{box.Min.X, box.Min.Y, size - box.Max.X, size - box.Max.Y} {
		if margin < quietZone*module {
			t.Errorf("a margin is %d pixels, want %d", margin, quietZone*module)
		}
	}
}
