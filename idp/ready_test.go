package idp_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

// watched is a source that reports servers.
type watched struct {
	idp.PasswordSource
	name    string
	servers []idp.ServerStatus
}

func (w watched) Name() string { return w.name }

func (w watched) Status() []idp.ServerStatus { return w.servers }

// TestReady: servers that are down leave the gateway ready, and who asks from elsewhere is told no names.
func TestReady(t *testing.T) {
	up := idp.ServerStatus{Server: "ldaps://dc1.corp.test", State: "up", Since: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	down := idp.ServerStatus{Server: "ldaps://dc2.corp.test", State: "down", Error: "connection refused"}
	unknown := idp.ServerStatus{Server: "ldaps://dc3.corp.test", State: "unknown"}
	for name, c := range map[string]struct {
		sources [][]idp.ServerStatus
		status  string
		counts  map[string]any
	}{
		"no servers":            {nil, "ready", nil},
		"not asked yet":         {[][]idp.ServerStatus{{unknown}}, "ready", map[string]any{"up": 0., "down": 0., "unknown": 1.}},
		"one of two":            {[][]idp.ServerStatus{{up, down}}, "ready", map[string]any{"up": 1., "down": 1., "unknown": 0.}},
		"all of one source":     {[][]idp.ServerStatus{{up}, {down}}, "degraded", map[string]any{"up": 1., "down": 1., "unknown": 0.}},
		"all of the first only": {[][]idp.ServerStatus{{down, down}, {up}}, "degraded", map[string]any{"up": 1., "down": 2., "unknown": 0.}},
	} {
		t.Run(name, func(t *testing.T) {
			clk := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
			cfg := baseConfig(t, storetest.NewMemory(clk.Now), clk.Now)
			for i, servers := range c.sources {
				cfg.Sources = append(cfg.Sources, watched{cfg.Sources[0].(idp.PasswordSource), string(rune('a' + i)), servers})
			}
			g, err := idp.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			h := &venue{gateway: g, clock: clk, browsers: map[string]*browser{}}
			h.use("probe")
			for address, here := range map[string]bool{"127.0.0.1": true, "::1": true, "::ffff:127.0.0.1": true, "198.51.100.7": false, "10.0.0.1": false, "": false} {
				h.client, _ = netip.ParseAddr(address)
				if got := h.visit("/readyz"); got.StatusCode != http.StatusOK {
					t.Errorf("%s: %d", address, got.StatusCode)
				}
				var body map[string]any
				if err := json.Unmarshal([]byte(h.now.body), &body); err != nil {
					t.Fatal(err)
				}
				counts, _ := body["servers"].(map[string]any)
				if body["status"] != c.status || !reflect.DeepEqual(counts, c.counts) {
					t.Errorf("%s: %s", address, h.now.body)
				}
				named := strings.Contains(h.now.body, "corp.test") || strings.Contains(h.now.body, "refused") || body["sources"] != nil
				if named != (here && len(c.sources) > 0) {
					t.Errorf("%s: %s", address, h.now.body)
				}
			}
		})
	}
}
