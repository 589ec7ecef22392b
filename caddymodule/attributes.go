package caddymodule

import (
	"fmt"
	"maps"
	"slices"
)

// AttributeReferrer is an optional power of an application module: it names attributes of people, which are
// then checked when the configuration is adapted.
type AttributeReferrer interface {
	// AttributeRefs returns the attributes as they were written.
	AttributeRefs() []string
}

// AttributeLister is an optional power of a source module that knows which attributes it reads.
type AttributeLister interface {
	// ListAttributes returns the attributes beyond those that every person has.
	ListAttributes() []string
}

// ListAttributes implements [AttributeLister].
func (d *Directory) ListAttributes() []string {
	return slices.Concat(d.Attributes, slices.Sorted(maps.Keys(d.NamedAttributes)))
}

// ListAttributes implements [AttributeLister]: there are none.
func (*LocalSource) ListAttributes() []string { return nil }

// AttributeRefs implements [AttributeReferrer].
func (c *AmazonConnect) AttributeRefs() []string { return []string{c.SessionName} }

// AttributeRefs implements [AttributeReferrer].
func (s *SAML) AttributeRefs() []string {
	refs := []string{s.NameIDAttribute}
	for _, a := range s.Attributes {
		if a.From != "groups" {
			refs = append(refs, a.From)
		}
	}
	return refs
}

// checkAttributes finds the first attribute of an application that no source reads. Nobody would have it, and for
// Amazon Connect or as a NameID that means that nobody gets in.
func (a *App) checkAttributes() *mistake {
	known := slices.Clone(bridged)
	for _, s := range a.Sources {
		l, ok := s.guest().(AttributeLister)
		if !ok {
			return nil
		}
		known = append(known, l.ListAttributes()...)
	}
	for _, e := range a.Applications {
		r, ok := e.guest().(AttributeReferrer)
		if !ok {
			continue
		}
		for _, name := range r.AttributeRefs() {
			if name != "" && !slices.Contains(known, name) {
				slices.Sort(known)
				text := fmt.Sprintf("no source reads an attribute %q; there are: %s; for more, write in a source: attributes NAME…", name, listed(slices.Compact(known)))
				return &mistake{within: [2]string{"application", e.Name}, name: name, text: text, prose: true}
			}
		}
	}
	return nil
}

var (
	_ AttributeLister   = (*ActiveDirectorySource)(nil)
	_ AttributeLister   = (*LDAPSource)(nil)
	_ AttributeLister   = (*LocalSource)(nil)
	_ AttributeReferrer = (*AmazonConnect)(nil)
	_ AttributeReferrer = (*SAML)(nil)
)
