package idp

import "net/http"

// readyBody is what /readyz says.
type readyBody struct {
	Status  string                    `json:"status"` // "starting", "ready", or "degraded": a source has no server left
	Servers *serverCount              `json:"servers,omitempty"`
	Sources map[string][]ServerStatus `json:"sources,omitempty"`
}

// serverCount counts the servers of every source by their state.
type serverCount struct {
	Up      int `json:"up"`
	Down    int `json:"down"`
	Unknown int `json:"unknown"`
}

// getReady answers for any host: sign-ins can be served. Servers that are down do not make it less ready: sessions live
// on, other sources sign people in, and a load balancer that took every gateway out would end both.
//
// The names of servers, and why one is down, tell an attacker how the network behind us is made and which part of
// it to strain; so only who asks from this machine sees them. Everybody else sees how many there are.
func (g *Gateway) getReady(w http.ResponseWriter, r *http.Request) error {
	if g.store.Ready() != nil {
		w.Header().Set("Retry-After", "2")
		return writeJSON(w, http.StatusServiceUnavailable, readyBody{Status: "starting"})
	}
	return writeJSON(w, http.StatusOK, g.readyBody(g.client(r).Unmap().IsLoopback()))
}

func (g *Gateway) readyBody(named bool) readyBody {
	body := readyBody{Status: "ready"}
	for _, s := range g.sources {
		reporter, ok := s.(StatusReporter)
		if !ok {
			continue
		}
		if body.Servers == nil {
			body.Servers, body.Sources = &serverCount{}, map[string][]ServerStatus{}
		}
		servers := reporter.Status()
		before := *body.Servers
		for _, server := range servers {
			body.Servers.add(server.State)
		}
		if len(servers) > 0 && body.Servers.Down-before.Down == len(servers) {
			body.Status = "degraded"
		}
		body.Sources[s.Name()] = servers
	}
	if !named {
		body.Sources = nil
	}
	return body
}

func (c *serverCount) add(state string) {
	switch state {
	case "up":
		c.Up++
	case "down":
		c.Down++
	default:
		c.Unknown++
	}
}
