package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/visit"
)

// NetworkConfig is a named list of address ranges that policies refer to.
type NetworkConfig struct {
	// Name of the network.
	Name string `json:"name"`
	// Ranges are CIDR ranges or single addresses, IPv4 or IPv6. At least one, unless there is a file.
	Ranges []string `json:"ranges,omitempty"`
	// File has further ranges, one a line. It is read again when it changes. Default: none.
	File string `json:"file,omitempty"`
}

// network builds what idp wants.
func (n *NetworkConfig) network() (idp.Network, error) {
	if len(n.Ranges) == 0 && n.File == "" {
		return idp.Network{}, fmt.Errorf("network %s has no ranges; it takes: network NAME RANGE… { file PATH }", n.Name)
	}
	out := idp.Network{Name: n.Name}
	for _, s := range n.Ranges {
		p, err := visit.ParseRange(s)
		if err != nil {
			return idp.Network{}, fmt.Errorf("network %s: %w", n.Name, err)
		}
		out.Ranges = append(out.Ranges, p)
	}
	return out, nil
}

// parseNetwork reads
//
//	network <name> <range...> {
//		file <path>
//	}
func parseNetwork(d *caddyfile.Dispenser) (*NetworkConfig, error) {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return nil, d.Errf("network takes: network NAME RANGE… { file PATH }")
	}
	n := &NetworkConfig{Name: args[0], Ranges: args[1:]}
	if err := checkName(d, "network", n.Name); err != nil {
		return nil, err
	}
	at := d.Token() // the block moves on; a mistake in the ranges is here
	b := newBlock(d, "network "+n.Name, "file")
	for b.next() {
		b.text(&n.File, "PATH")
	}
	if b.err != nil {
		return nil, b.err
	}
	if _, err := n.network(); err != nil {
		return nil, tokenError(at, "%w", err)
	}
	return n, nil
}
