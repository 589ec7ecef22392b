package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

const (
	// recordTime is how long an answer of the DNS is believed, whatever its own time to live: a new domain controller
	// has time to wait, and an old one is noticed by itself.
	recordTime = 5 * time.Minute
	// lookupTime bounds one question to the DNS.
	lookupTime = time.Second
	// lookupPause is how long the DNS is left alone after it did not answer, while an older answer is there;
	// emptyPause is the same while there is none.
	lookupPause, emptyPause = 30 * time.Second, time.Second
	// mostServers bounds the servers of an answer: each that is dead is tried once.
	mostServers = 32
)

// Lookup asks the DNS for the servers of a service, as [net.Resolver.LookupSRV] does: sorted by priority, and within
// one put in a random order by weight (RFC 2782). The name ends in a dot.
type Lookup func(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)

// finder finds the servers of a domain. The records are not authenticated: whoever can forge them could name a
// server of their own, which has a valid certificate for its own name. So a name counts only inside the domain, or
// where the configuration has it, and the certificate has to be for that very name. Other machines of the domain have such
// certificates, too: see controllerOnly.
type finder struct {
	source   *Source
	domain   string
	site     string
	startTLS bool
	lookup   Lookup
	asking   chan struct{} // one asks at a time

	mu    sync.Mutex
	last  answer // the last that had a server
	err   error  // of the last question
	until time.Time
}

// answer is what the DNS said.
type answer struct {
	records []record
	refused []string // names that do not count
	missing []string // questions without an answer, with why
	servers []*server
}

type record struct {
	host             string
	port             uint16
	priority, weight uint16
	site             bool
}

// labelForm is the form of one label of a DNS name. Active Directory has underscores in them.
var labelForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$`)

// isLabel reports whether a name is one label of a DNS name (RFC 1035, section 2.3.4: 63 bytes at most).
func isLabel(s string) bool { return len(s) <= 63 && labelForm.MatchString(s) }

// isDomain reports whether a name is that of a domain or host, in lower case.
func isDomain(s string) bool {
	if len(s) > 253 || s != strings.ToLower(s) {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

func newFinder(s *Source, c Config) (*finder, error) {
	f := &finder{
		source: s, domain: strings.ToLower(strings.TrimSuffix(c.Domain, ".")), site: c.Site, startTLS: c.StartTLS,
		lookup: c.Lookup, asking: make(chan struct{}, 1),
	}
	_, notAddress := netip.ParseAddr(f.domain)
	if !isDomain(f.domain) || notAddress == nil {
		return nil, fmt.Errorf("domain %q: write its DNS name: corp.example.com", c.Domain)
	}
	if c.Site != "" && !isLabel(c.Site) {
		return nil, fmt.Errorf("site %q: write its name as the domain has it: letters, digits, - and _", c.Site)
	}
	return f, nil
}

// baseOfDomain is the DN of the top of a domain.
func baseOfDomain(domain string) string {
	return "DC=" + strings.ReplaceAll(strings.ToLower(strings.TrimSuffix(domain, ".")), ".", ",DC=")
}

// name is how the finder is called in a status.
func (f *finder) name() string { return "domain " + f.domain }

// servers returns those that the DNS names, and those of the configuration after them. Only while nothing was
// ever found does anybody wait for the DNS.
func (s *Source) servers(ctx context.Context) ([]*server, error) {
	f := s.finder
	if f == nil {
		return s.listed, nil
	}
	known, _ := s.knownServers()
	if f.fresh() {
		return s.orNone(known)
	}
	if len(known) > 0 {
		select {
		case f.asking <- struct{}{}:
			go func() {
				defer func() { <-f.asking }()
				f.refresh(ctx)
			}()
		default:
		}
		return known, nil
	}
	select {
	case f.asking <- struct{}{}:
		defer func() { <-f.asking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !f.fresh() {
		f.refresh(ctx)
	}
	known, _ = s.knownServers()
	return s.orNone(known)
}

func (s *Source) orNone(known []*server) ([]*server, error) {
	if len(known) > 0 {
		return known, nil
	}
	s.finder.mu.Lock()
	defer s.finder.mu.Unlock()
	return nil, s.finder.err
}

// knownServers returns the servers without asking anybody, and why the DNS has not answered last.
func (s *Source) knownServers() ([]*server, error) {
	f := s.finder
	if f == nil {
		return s.listed, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	known := slices.Clone(f.last.servers)
	for _, sv := range s.listed {
		if !slices.Contains(known, sv) {
			known = append(known, sv)
		}
	}
	return known, f.err
}

func (f *finder) fresh() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.source.now().Before(f.until)
}

// refresh asks the DNS. The last answer that had a server is kept until there is another.
func (f *finder) refresh(ctx context.Context) {
	a, err := f.ask(context.WithoutCancel(ctx)) // the next one needs the answer as well
	now := f.source.now()
	f.mu.Lock()
	before, failing := f.last, f.err != nil
	f.err, f.until = err, now.Add(recordTime)
	switch {
	case err == nil:
		f.keep(a)
	case len(f.last.servers) > 0:
		f.until = now.Add(lookupPause)
	default:
		f.until = now.Add(emptyPause)
	}
	after := f.last
	f.mu.Unlock()
	if err != nil && !failing {
		f.source.log.Warn("the DNS names no server of the domain", "source", f.source.name, "domain", f.domain, "error", err.Error())
	}
	for _, sv := range before.servers {
		if !slices.Contains(after.servers, sv) && !slices.Contains(f.source.listed, sv) {
			sv.leave()
		}
	}
}

// keep makes the answer the last one. While the records stay, so does their order: the connections to the first
// server are open.
func (f *finder) keep(a answer) {
	if sameRecords(a.records, f.last.records) {
		a.records, a.servers = f.last.records, f.last.servers
		f.last = a
		return
	}
	a.servers = make([]*server, 0, len(a.records))
	for _, r := range a.records {
		if sv := f.server(r); sv != nil && !slices.Contains(a.servers, sv) {
			a.servers = append(a.servers, sv)
		}
	}
	f.last = a
}

func sameRecords(a, b []record) bool {
	order := func(x, y record) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), order), slices.SortedFunc(slices.Values(b), order))
}

// server returns the one of the record: the listed one of that name, the one known before, or a new one.
func (f *finder) server(r record) *server {
	for _, sv := range f.source.listed {
		if strings.EqualFold(sv.host, r.host) {
			return sv
		}
	}
	scheme, port := "ldaps", strconv.Itoa(int(r.port))
	switch {
	case f.startTLS:
		scheme = "ldap"
	case port == goldap.DefaultLdapPort:
		// The records are about LDAP. Where they name another port, somebody meant it.
		port = goldap.DefaultLdapsPort
	}
	sv, err := newServer(f.source, scheme+"://"+net.JoinHostPort(r.host, port))
	if err != nil {
		return nil
	}
	for _, known := range f.last.servers {
		if known.url == sv.url {
			return known
		}
	}
	return sv
}

// ask puts the question for the site, if there is one, and that for the whole domain, both at once.
func (f *finder) ask(ctx context.Context) (answer, error) {
	names := []string{"dc._msdcs." + f.domain + "."}
	if f.site != "" {
		names = append([]string{f.site + "._sites." + names[0]}, names...)
	}
	found, errs := make([][]*net.SRV, len(names)), make([]error, len(names))
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	var group sync.WaitGroup
	for i, name := range names {
		group.Go(func() { _, found[i], errs[i] = f.lookup(ctx, "ldap", "tcp", name) })
	}
	group.Wait()
	var a answer
	for i, name := range names {
		// A record that names the root says that there is no such service (RFC 2782).
		found[i] = slices.DeleteFunc(slices.Clone(found[i]), func(r *net.SRV) bool { return r.Target == "." })
		if len(found[i]) == 0 {
			if errs[i] == nil {
				errs[i] = errors.New("no record")
			}
			a.missing = append(a.missing, fmt.Sprintf("_ldap._tcp.%s: %v", strings.TrimSuffix(name, "."), errs[i]))
			continue
		}
		f.take(&a, found[i], f.site != "" && i == 0)
	}
	switch {
	case len(a.records) > 0:
		return a, nil
	case len(a.refused) > 0:
		return a, fmt.Errorf("finding servers of %s: the DNS names %s, which is not inside the domain", f.domain, strings.Join(a.refused, ", "))
	}
	return a, fmt.Errorf("finding servers of %s: %s", f.domain, strings.Join(a.missing, "; "))
}

// take adds the records of one question, by priority.
func (f *finder) take(a *answer, found []*net.SRV, site bool) {
	slices.SortStableFunc(found, func(x, y *net.SRV) int { return int(x.Priority) - int(y.Priority) })
	for _, srv := range found {
		r := record{strings.ToLower(strings.TrimSuffix(srv.Target, ".")), srv.Port, srv.Priority, srv.Weight, site}
		switch {
		case !f.trusts(r.host):
			if !slices.Contains(a.refused, strconv.Quote(r.host)) {
				a.refused = append(a.refused, strconv.Quote(r.host))
			}
		case r.port == 0 || len(a.records) == mostServers:
		case !slices.ContainsFunc(a.records, func(o record) bool { return o.host == r.host && o.port == r.port }):
			a.records = append(a.records, r)
		}
	}
}

// trusts reports whether a name that the DNS gave may be a server's.
func (f *finder) trusts(host string) bool {
	return isDomain(host) && strings.HasSuffix(host, "."+f.domain) ||
		slices.ContainsFunc(f.source.listed, func(sv *server) bool { return strings.EqualFold(sv.host, host) })
}
