package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// endpointOf serves the admin endpoint by f, at a socket. What waits in f ends with the test.
func endpointOf(t *testing.T, silence time.Duration, f http.HandlerFunc) endpoint {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil { // before that the server does not look whether the other end has gone
			t.Error(err)
		}
		f(w, r)
	}))
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	return endpoint{"unix/" + path + "|0600", silence}
}

// A command does not wait for a Caddy that hangs, wherever it does.
func TestOrdersToACaddyThatHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path) // connections are taken, and nobody serves them
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, e := range map[string]endpoint{
		"from the start": {"unix/" + path, 100 * time.Millisecond},
		"in an answer": endpointOf(t, 100*time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-r.Context().Done()
		}),
		"in a refusal": endpointOf(t, 100*time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-r.Context().Done()
		}),
	} {
		_, err := e.give(t.Context(), "the-token", order{Args: []string{"show", "demo"}})
		wantError(t, err, "the Caddy that runs was asked at "+e.address+": it hangs", "nothing has come for 100ms", "see its log", "caddy gatehouse audit")
		if err != nil && strings.Contains(err.Error(), "the-token") {
			t.Errorf("%s: the error holds the token: %v", name, err)
		}
	}
}

// told tells of each write.
type told struct {
	http.ResponseWriter
	written chan struct{}
}

func (w told) Write(p []byte) (int, error) {
	w.written <- struct{}{}
	return w.ResponseWriter.Write(p)
}

func (w told) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// An order may take longer than a Caddy may be silent.
func TestOrdersThatTakeLong(t *testing.T) {
	const silence, beats = 500 * time.Millisecond, 40
	e := endpointOf(t, silence, func(w http.ResponseWriter, _ *http.Request) {
		aloud := told{w, make(chan struct{}, 2*beats)}
		a := beat(aloud, 2*silence/beats, func() answer {
			for range beats {
				<-aloud.written
			}
			return answer{Out: "done"}
		})
		if err := json.NewEncoder(w).Encode(a); err != nil {
			t.Error(err)
		}
	})
	if a, err := e.give(t.Context(), "", order{}); err != nil || a.Out != "done" {
		t.Errorf("%+v, %v", a, err)
	}
}

// adviceOf is what an error says of an order that may be half done.
const adviceOf = `see its log, and by "caddy gatehouse audit" whether the order was done`

// Whoever gave an order may leave it, as a command does when its time is over, and is told who it was that does not answer.
func TestOrdersThatAreLeft(t *testing.T) {
	ctx, leave := context.WithCancelCause(t.Context())
	e := endpointOf(t, time.Hour, func(_ http.ResponseWriter, r *http.Request) {
		leave(context.DeadlineExceeded)
		<-r.Context().Done()
	})
	_, err := e.give(ctx, "", order{})
	wantError(t, err, "asked at "+e.address, context.DeadlineExceeded.Error(), adviceOf)
}

// A Caddy that dies may have begun the order, whatever of its answer has come. What answers all the same may be of another version.
func TestOrdersThatAreCutOff(t *testing.T) {
	for name, c := range map[string]struct{ said, want string }{
		"before a word":   {"", "EOF"},
		"while at work":   {"\n", "unexpected EOF"},
		"in its answer":   {`{"out":"ali`, "unexpected EOF"},
		"of what is none": {"<html>", "its answer is not to be read"},
	} {
		e := endpointOf(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
			if _, err := io.WriteString(w, c.said); err != nil {
				t.Error(err)
			}
			if c.said == "<html>" {
				return
			}
			if c.said != "" {
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
			}
			panic(http.ErrAbortHandler)
		})
		_, err := e.give(t.Context(), "", order{})
		wantError(t, err, "asked at "+e.address, c.want, adviceOf)
		if err != nil && strings.Contains(err.Error(), "version") != (c.said == "<html>") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A token is for the endpoint that it was sent to.
func TestOrdersFollowNoRedirect(t *testing.T) {
	e := endpointOf(t, time.Minute, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != ordersPath {
			t.Errorf("it went on to %s", r.URL.Path)
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	_, err := e.give(t.Context(), "", order{})
	wantError(t, err, "it answers 307")
}

func TestOrdersToNobody(t *testing.T) {
	e := endpoint{"unix/" + filepath.Join(t.TempDir(), "none"), time.Minute}
	_, err := e.give(t.Context(), "", order{})
	wantError(t, err, "asked at "+e.address, "no such file", "does it run", "--address")
	if strings.Contains(err.Error(), "audit") {
		t.Errorf("nobody has the order: %v", err)
	}
	if nobody := new(unreached); !errors.As(err, &nobody) {
		t.Errorf("%T is not unreached", err)
	}
	for _, address := range []string{"localhost:1-9", "://"} {
		_, err = endpoint{address, time.Minute}.give(t.Context(), "", order{})
		wantError(t, err, "asked at "+address)
	}
}
