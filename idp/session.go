package idp

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
)

// The two cookies. The prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis
// §4.1.3.2), so that no sibling site can plant one.
const (
	sessionCookie = "__Host-gatehouse"
	deviceCookie  = "__Host-gatehouse-device"
)

// secretSize is the size of what a cookie holds: 256 random bits.
const secretSize = 32

// cookieStore is a gorilla sessions.Store whose sessions are nothing but a random id: everything
// else is in our own store, under the SHA-256 of that id.
type cookieStore struct {
	keys   Keys
	rand   io.Reader
	codecs atomic.Pointer[cookieCodecs]
}

type cookieCodecs struct {
	keys   [][]byte
	codecs []securecookie.Codec
}

var _ sessions.Store = (*cookieStore)(nil)

func newCookieStore(keys Keys, random io.Reader) *cookieStore {
	if random == nil {
		random = rand.Reader
	}
	return &cookieStore{keys: keys, rand: random}
}

// codec returns the codecs for the keys as they are now, newest first.
func (c *cookieStore) codec() ([]securecookie.Codec, error) {
	keys, err := c.keys.CookieKeys()
	if err != nil {
		return nil, err
	}
	if have := c.codecs.Load(); have != nil && slices.EqualFunc(have.keys, keys, bytes.Equal) {
		return have.codecs, nil
	}
	made := &cookieCodecs{keys: keys}
	for _, k := range keys {
		sc := securecookie.New(k, nil)
		sc.SetSerializer(securecookie.NopEncoder{})
		sc.MaxAge(0) // age is the store's business
		sc.MaxLength(256)
		made.codecs = append(made.codecs, sc)
	}
	c.codecs.Store(made)
	return made.codecs, nil
}

// Get is New: nothing is cached in the request.
func (c *cookieStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return c.New(r, name)
}

// New returns the session that the request's cookie names. A missing, forged or repeated cookie gives a
// session without an id, never an error: the visitor is anonymous.
func (c *cookieStore) New(r *http.Request, name string) (*sessions.Session, error) {
	s := c.blank(name)
	id, err := c.open(name, valueOf(r, name))
	if err != nil || id == nil {
		return s, err
	}
	s.ID, s.IsNew = string(id), false
	return s, nil
}

func (c *cookieStore) blank(name string) *sessions.Session {
	s := sessions.NewSession(c, name)
	s.Options = &sessions.Options{Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	return s
}

// open returns the id that a cookie's value holds, or nil where the value is not ours.
func (c *cookieStore) open(name, value string) ([]byte, error) {
	if value == "" {
		return nil, nil
	}
	codecs, err := c.codec()
	if err != nil {
		return nil, err
	}
	var id []byte
	if securecookie.DecodeMulti(name, value, &id, codecs...) != nil || len(id) != secretSize {
		return nil, nil //nolint:nilerr // a forged cookie makes its bearer anonymous, nothing else
	}
	return id, nil
}

// valueOf returns the value of the one cookie of this name, or "". Two cookies of one name mean that
// somebody tossed one in: neither is believed (security.md C-09). It reads the header in place, since
// every request passes here; a value that is not in our codec's alphabet fails there.
func valueOf(r *http.Request, name string) string {
	found, value := 0, ""
	for _, line := range r.Header["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			key, v, _ := strings.Cut(strings.Trim(part, " \t"), "=")
			if strings.TrimRight(key, " \t") == name {
				found, value = found+1, v
			}
		}
	}
	if found != 1 {
		return ""
	}
	return value
}

// cookie is one of our two as a request brought it. It is opened when it is first asked for.
type cookie struct {
	store       *cookieStore
	name, value string
	hash        Hash // of the id
	ok, opened  bool
}

// id returns the hash under which the store knows the cookie, and whether there is one.
func (k *cookie) id() (Hash, bool, error) {
	if k.opened {
		return k.hash, k.ok, nil
	}
	id, err := k.store.open(k.name, k.value)
	if err != nil {
		return Hash{}, false, err
	}
	k.opened = true
	if id != nil {
		k.hash, k.ok = sha256.Sum256(id), true
	}
	return k.hash, k.ok, nil
}

// renew gives the cookie a new secret and sets it. maxAge 0 lasts as long as the browser runs.
func (k *cookie) renew(w http.ResponseWriter, maxAge time.Duration) (Hash, error) {
	id := make([]byte, secretSize)
	if _, err := io.ReadFull(k.store.rand, id); err != nil {
		return Hash{}, err
	}
	s := k.store.blank(k.name)
	s.ID, s.Options.MaxAge = string(id), int(maxAge/time.Second)
	dropCookie(w, k.name)
	if err := k.store.Save(nil, w, s); err != nil {
		return Hash{}, err
	}
	k.hash, k.ok, k.opened = sha256.Sum256(id), true, true
	return k.hash, nil
}

// erase takes the cookie from the browser, and what the same answer would have set before.
func (k *cookie) erase(w http.ResponseWriter) error {
	dropCookie(w, k.name)
	k.hash, k.ok, k.opened = Hash{}, false, true
	return k.store.Save(nil, w, k.store.blank(k.name))
}

// Save sets the cookie; a session without an id is erased from the browser.
func (c *cookieStore) Save(_ *http.Request, w http.ResponseWriter, s *sessions.Session) error {
	if s.ID == "" {
		s.Options.MaxAge = -1
		http.SetCookie(w, sessions.NewCookie(s.Name(), "", s.Options))
		return nil
	}
	codecs, err := c.codec()
	if err != nil {
		return err
	}
	value, err := securecookie.EncodeMulti(s.Name(), []byte(s.ID), codecs...)
	if err != nil {
		return err
	}
	http.SetCookie(w, sessions.NewCookie(s.Name(), value, s.Options))
	return nil
}

// dropCookie takes back a Set-Cookie of this name that the same answer set before.
func dropCookie(w http.ResponseWriter, name string) {
	set := w.Header()["Set-Cookie"]
	w.Header()["Set-Cookie"] = slices.DeleteFunc(set, func(line string) bool {
		return len(line) > len(name) && line[:len(name)+1] == name+"="
	})
}

// visitor is who sent a request, as far as its cookies and its flow tell.
type visitor struct {
	session *Session
	seen    time.Time // when the session was used before this request
	cookie  cookie    // of the session
	device  cookie    // of the device
	browser Hash      // which browser; flows are bound to it
	flow    *flow
	fid     string            // id under which the flow is kept, "" where there is none
	ends    time.Time         // when that is over
	facts   *Facts            // of the request, once they were asked for
	judged  *Visit            // what was decided on last
	answers string            // name of the factor whose answer is being judged, "" where none is
	asked   map[string]*reply // of the factors, by their names, once they were asked
}

// visitor reads the cookies. Sessions past their limits count as none.
func (g *Gateway) visitor(r *http.Request) (*visitor, error) {
	v := &visitor{
		cookie: cookie{store: g.cookies, name: sessionCookie, value: valueOf(r, sessionCookie)},
		device: cookie{store: g.cookies, name: deviceCookie, value: valueOf(r, deviceCookie)},
	}
	var err error
	if v.session, v.seen, err = g.session(r, &v.cookie); err != nil {
		return nil, err
	}
	if v.session != nil {
		v.browser = v.session.Browser
		return v, nil
	}
	id, ok, err := v.device.id()
	if err != nil || !ok {
		return v, err
	}
	v.browser = id
	if b, err := g.store.DeviceBrowser(r.Context(), id, g.now()); err == nil {
		v.browser = b
	} else if !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	return v, nil
}

// session returns the live session of a cookie, or nil, and when it was used before this request.
func (g *Gateway) session(r *http.Request, c *cookie) (s *Session, seen time.Time, err error) {
	ctx := r.Context()
	id, ok, err := c.id()
	if err != nil || !ok {
		return nil, time.Time{}, err
	}
	s, err = g.store.Session(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	now, seen := g.now(), s.Seen
	if now.Sub(seen) > g.limits.Idle || now.Sub(s.SignedIn) > g.limits.Absolute || !s.Expires.IsZero() && now.After(s.Expires) {
		return nil, time.Time{}, g.store.DeleteSession(ctx, id)
	}
	if now.Sub(seen) >= g.noteUse {
		if err := g.store.TouchSession(ctx, id, now); err != nil {
			return nil, time.Time{}, err
		}
		touched := *s // what replaces it must not take the use back
		touched.Seen = now
		s = &touched
	}
	s, err = g.current(r, s, g.limits.Refresh)
	return s, seen, err
}

// raise puts the visitor into a session with a new id: after the password, and whenever they proved more.
// The old id is dead before the new one is sent (security.md C-13). A session that goes on is replaced, which
// one that was ended meanwhile cannot be.
func (g *Gateway) raise(w http.ResponseWriter, r *http.Request, v *visitor, s Session) error {
	ctx := context.WithoutCancel(r.Context())
	old, ok, err := v.cookie.id()
	if err != nil {
		return err
	}
	goesOn := ok && v.session != nil && v.session.ID == old && v.session.User.Key() == s.User.Key() && v.session.SignedIn.Equal(s.SignedIn)
	if ok && !goesOn {
		if err := g.store.DeleteSession(ctx, old); err != nil {
			return err
		}
	}
	id, err := v.cookie.renew(w, 0)
	if err != nil {
		return err
	}
	s.ID, s.Seen = id, g.now()
	s.Form = g.randomText()
	s.Browser, s.Client, s.UserAgent = v.browser, g.client(r), shorten(r.UserAgent())
	if goesOn {
		err = g.store.ReplaceSession(ctx, old, &s)
	} else {
		err = g.store.PutSession(ctx, &s)
	}
	if errors.Is(err, ErrNotFound) {
		return errors.Join(sessionEnded(), v.cookie.erase(w))
	}
	if err != nil {
		return err
	}
	v.session, v.seen, v.asked = &s, s.Seen, nil
	return nil
}

// amend changes the visitor's session, which may have ended meanwhile.
func (g *Gateway) amend(ctx context.Context, v *visitor, change func(*Session)) error {
	s := *v.session
	change(&s)
	err := g.store.ReplaceSession(context.WithoutCancel(ctx), s.ID, &s)
	if errors.Is(err, ErrNotFound) {
		return sessionEnded()
	}
	v.session = &s
	return err
}

// alive returns an error where the visitor's session has ended since it was read. Whoever ends somebody's sessions and takes
// what was set up in them does the latter last, so that of two that run beside each other one sees the other. The list is read,
// and not the session: that may come from memory, which hears of a command, in a process of its own, a moment later.
func (g *Gateway) alive(ctx context.Context, v *visitor) error {
	list, err := g.store.UserSessions(ctx, v.session.User.Key())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(s *Session) bool { return s.ID == v.session.ID }) {
		return sessionEnded()
	}
	return nil
}

// sessionEnded is the refusal where a session ended while something of it was under way.
func sessionEnded() *Error {
	return &Error{Status: http.StatusForbidden, Public: "This sign-in has ended meanwhile. Open the portal and try again.", Reason: "session_ended"}
}

// randomText returns 128 random bits for ids that travel in addresses and forms.
func (g *Gateway) randomText() string {
	b := make([]byte, 16)
	if _, err := io.ReadFull(g.rand, b); err != nil {
		panic("no randomness: " + err.Error()) // crypto/rand never fails on the systems that Go supports
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// ownForm reports whether the form came from a page of this very session.
func (v *visitor) ownForm(r *http.Request) bool {
	return v.session != nil && subtle.ConstantTimeCompare([]byte(r.PostForm.Get("f")), []byte(v.session.Form)) == 1
}

// shorten keeps a User-Agent to what an audit line needs, without control characters.
func shorten(s string) string {
	b := make([]byte, 0, min(len(s), 200))
	for i := 0; i < len(s) && len(b) < 200; i++ {
		if c := s[i]; c >= 0x20 && c < 0x7f {
			b = append(b, c)
		}
	}
	return string(b)
}
