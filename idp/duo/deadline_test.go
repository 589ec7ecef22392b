package duo

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// networks are those in which nothing ever comes back, whatever is waited for.
var networks = map[string]func(context.Context) (net.Conn, error){
	"nobody answers the first packet": func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	},
	"nobody reads": func(context.Context) (net.Conn, error) {
		here, _ := net.Pipe()
		return here, nil
	},
	"nobody speaks": func(context.Context) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			for b := make([]byte, 4096); ; {
				if _, err := there.Read(b); err != nil {
					return
				}
			}
		}()
		return here, nil
	},
}

// F-13: with nothing configured, Duo that hangs is unreachable after three seconds, and so is one that hangs when somebody
// comes back from it. What else a decision takes has the fourth.
func TestF13Deadline(t *testing.T) {
	for name, dial := range networks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, err := New(Config{APIHostname: "api-1234abcd.duosecurity.com", ClientID: testID, ClientSecret: idp.NewSecret(testSecret)})
				if err != nil {
					t.Fatal(err)
				}
				transport := f.client.http.Transport.(*http.Transport)
				transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
				defer transport.CloseIdleConnections()
				step, err := f.Challenge(t.Context(), ann, attempt("s"))
				if err != nil {
					t.Fatal(err)
				}

				began := time.Now()
				if r, err := f.Ready(t.Context(), ann); r != idp.Unreachable || err == nil {
					t.Errorf("ready: %v, %v", r, err)
				}
				if took := time.Since(began); took != DefaultTimeout || took > 3*time.Second {
					t.Errorf("known after %s", took)
				}
				began = time.Now()
				if _, err := f.Verify(t.Context(), ann, step.Memo, map[string][]string{"state": {attempt("s").State}, "duo_code": {"code"}}); err == nil || isRefusal(err) {
					t.Errorf("verify: %v", err)
				}
				if took := time.Since(began); took != DefaultTimeout {
					t.Errorf("refused after %s", took)
				}
			})
		})
	}
}
