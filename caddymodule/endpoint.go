package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Bounds of waiting for a Caddy that was given an order. The order itself may take its time: it is said all the while that it
// is under way, see [beat].
const (
	connectTime = 5 * time.Second
	silenceMost = 3 * beatTime
	// refusalMost is the longest refusal that is read, in bytes.
	refusalMost = 64 << 10
)

// endpoint is the admin endpoint of a Caddy that runs.
type endpoint struct {
	address string        // as Caddy writes it, but for placeholders
	silence time.Duration // after so long without a byte it is taken to hang
}

// unreached says that nobody took the order.
type unreached struct{ err error }

func (u *unreached) Error() string { return u.err.Error() }

func (u *unreached) Unwrap() error { return u.err }

// errSilent says that it is not known what has become of an order.
var errSilent = errors.New("it hangs")

// give gives an order and waits for the answer. [caddycmd.AdminAPIRequest] would wait for ever for one that hangs.
func (e endpoint) give(ctx context.Context, token string, o order) (a answer, err error) {
	ctx, hangUp := context.WithCancelCause(ctx)
	defer hangUp(nil)
	waiting := time.AfterFunc(e.silence, func() { hangUp(errSilent) })
	defer waiting.Stop()
	req, client, err := e.request(ctx, o)
	if err != nil {
		return a, e.failed(err)
	}
	defer client.CloseIdleConnections()
	req.Header.Set("Authorization", bearer+token)
	res, err := client.Do(req)
	if err != nil {
		return a, e.lost(ctx, err)
	}
	defer res.Body.Close()
	var body io.Reader = heard{res.Body, func() { waiting.Reset(e.silence) }}
	if res.StatusCode != http.StatusOK {
		body = io.LimitReader(body, refusalMost)
	}
	text, err := io.ReadAll(body)
	switch {
	case err != nil:
		return a, e.lost(ctx, err)
	case res.StatusCode != http.StatusOK:
		return a, e.failed(refused(res.StatusCode, text))
	}
	if a, err = readAnswer(text); err != nil {
		return a, e.lost(ctx, fmt.Errorf("its answer is not to be read (is it of another version, or no Gatehouse?): %w", err))
	}
	return a, nil
}

// readAnswer reads what came of an order. Any server may answer in JSON; one of ours says in each answer how the order ended.
func readAnswer(text []byte) (answer, error) {
	var said struct {
		answer
		Code *int `json:"code"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return answer{}, err
	}
	if said.Code == nil {
		return answer{}, errors.New("it does not say how the order ended")
	}
	said.answer.Code = *said.Code
	return said.answer, nil
}

// request makes the request of an order, and the client that sends it to that address.
func (e endpoint) request(ctx context.Context, o order) (*http.Request, *http.Client, error) {
	to, err := caddy.ParseNetworkAddress(e.address)
	if err != nil {
		return nil, nil, err
	}
	if to.PortRangeSize() > 1 {
		return nil, nil, errors.New("that is several addresses")
	}
	host := to.JoinHostPort(0)
	if to.IsUnixNetwork() {
		to.Host, _, _ = strings.Cut(to.Host, "|") // the rights of the socket
		host = "127.0.0.1"                        // a request needs one
	}
	body, err := json.Marshal(o)
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+host+ordersPath, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if !to.IsUnixNetwork() {
		req.Header.Set("Origin", "http://"+host) // what Caddy checks of those who come by TCP
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: connectTime}).DialContext(ctx, to.Network, to.JoinHostPort(0))
		if err != nil {
			return nil, &unreached{fmt.Errorf("%w: does it run, and is that its admin endpoint? --%s names another", err, addressFlag)}
		}
		return conn, nil
	}
	return req, &http.Client{
		Transport: &http.Transport{DialContext: dial},
		// The token is for that address and no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// failed says who was asked.
func (e endpoint) failed(err error) error {
	return fmt.Errorf("the Caddy that runs was asked at %s: %w", e.address, err)
}

// lost is failed for an order that was sent. It may be done, or half done, or still under way, unless nobody has it.
func (e endpoint) lost(ctx context.Context, err error) error {
	if sent, ok := errors.AsType[*url.Error](err); ok {
		err = sent.Err
	}
	if errors.Is(context.Cause(ctx), errSilent) {
		err = fmt.Errorf("%w, nothing has come for %s", errSilent, e.silence)
	}
	if _, nobody := errors.AsType[*unreached](err); !nobody {
		err = fmt.Errorf("%w: see its log, and by \"caddy gatehouse audit\" whether the order was done", err)
	}
	return e.failed(err)
}

// heard is a body of which each sign of life is told.
type heard struct {
	io.Reader
	told func()
}

// Read implements [io.Reader].
func (h heard) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 {
		h.told()
	}
	return n, err
}

// refused is the reason of a refusal, in Caddy's words where there are any.
func refused(status int, text []byte) error {
	var e caddy.APIError
	switch {
	case json.Unmarshal(text, &e) == nil && e.Message != "":
		return errors.New(e.Message)
	case status == http.StatusNotFound:
		return errors.New("it has no Gatehouse")
	}
	return fmt.Errorf("it answers %d %s", status, http.StatusText(status))
}
