package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func init() {
	caddy.RegisterModule(new(Orders))
}

const (
	// ordersPath is where the admin endpoint takes commands about people.
	ordersPath = "/gatehouse/user"
	// orderMost is the longest order, in bytes.
	orderMost = 64 << 10
	bearer    = "Bearer "
	// beatTime is how often whoever waits for the answer is told that the order is under way.
	beatTime = 10 * time.Second
)

// inCaddyKey is where the context of a command that runs inside Caddy holds the app.
type inCaddyKey struct{}

// Orders takes the commands about people ("caddy gatehouse user") at Caddy's admin endpoint, from whoever shows an operator
// token: the endpoint itself asks nobody who they are. It has no options.
type Orders struct{}

// CaddyModule returns the Caddy module information.
func (*Orders) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.gatehouse", New: func() caddy.Module { return new(Orders) }}
}

// Routes implements [caddy.AdminRouter].
func (*Orders) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: ordersPath, Handler: caddy.AdminHandlerFunc(serveOrder)}}
}

// serveOrder runs one command. The app is that of the configuration in force, which a reload that failed is not, although the
// admin endpoint may be its.
func serveOrder(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return refuseOrder(http.StatusMethodNotAllowed, "an order is a POST")
	}
	app, err := configuredApp(caddy.ActiveContext())
	if err != nil {
		return refuseOrder(http.StatusNotFound, "the configuration in force has no gatehouse option")
	}
	leave, err := app.store.use()
	if err != nil {
		return refuseOrder(http.StatusServiceUnavailable, "the configuration is just being replaced: try again")
	}
	defer leave()
	var o order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, orderMost)).Decode(&o); err != nil {
		return refuseOrder(http.StatusBadRequest, "the order cannot be read: is the command of another version?")
	}
	secret, shown := strings.CutPrefix(r.Header.Get("Authorization"), bearer)
	if !shown {
		secret = ""
	}
	by, err := app.gateway.Operator(r.Context(), secret, o.By)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		app.log.Warn("an order at the admin endpoint was refused: its operator token is not good")
		return refuseOrder(http.StatusUnauthorized, "the operator token is not good, or not any more: see caddy gatehouse token")
	case err != nil:
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err, Message: "the store does not answer: " + err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	// Whoever gave it may be gone before it is done: it is not left half done.
	ctx := context.WithoutCancel(r.Context())
	return json.NewEncoder(w).Encode(beat(w, beatTime, func() answer { return app.obey(ctx, o.Args, by) }))
}

// beat runs f, and until it is done writes a line end now and then, which JSON may begin with: so whoever waits for the answer
// can tell an order that takes long from a Caddy that hangs.
func beat(w http.ResponseWriter, every time.Duration, f func() answer) answer {
	var beating sync.WaitGroup
	done := make(chan struct{})
	defer beating.Wait() // before anything else is written
	defer close(done)
	beating.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if _, err := io.WriteString(w, "\n"); err != nil {
				return
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
		}
	})
	return f()
}

func refuseOrder(status int, why string) error {
	return caddy.APIError{HTTPStatus: status, Err: errors.New(why), Message: why}
}

// obey runs a command about people as its own process would, in this one.
func (a *App) obey(ctx context.Context, args []string, by string) answer {
	var out bytes.Buffer
	cmd := userCommand()
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard) // the error is in the answer
	cmd.SetArgs(append([]string{}, args...))
	err := cmd.ExecuteContext(context.WithValue(ctx, inCaddyKey{}, &loaded{App: a, by: by}))
	var no *refusal
	switch {
	case err == nil:
		return answer{Out: out.String()}
	case errors.Is(err, errFinding):
		return answer{Out: out.String(), Code: finding}
	case errors.As(err, &no):
		return answer{out.String(), err.Error(), finding}
	}
	return answer{out.String(), err.Error(), couldNotRun}
}

var _ caddy.AdminRouter = (*Orders)(nil)
