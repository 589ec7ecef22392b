package ldap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const (
	policyTime = 10 * time.Minute // how long a policy is believed
	policyWait = time.Minute      // how long nobody asks again after it could not be read
	mostPolicy = 1000             // policies that are kept; a domain has a handful
)

var errNoPolicy = errors.New("the directory does not show its lockout policy")

// policy is what a directory has for the passwords of a domain, or of some of its people.
type policy struct {
	lockout   idp.Lockout
	forever   bool          // failures count until a right password, however old they are
	lockedFor time.Duration // 0 is until somebody unlocks the account
	rules     idp.PasswordRules
	maxAge    time.Duration // 0 is no bound
	err       error         // why the lockout is not known
	until     time.Time
}

// policies are kept by the DNs of their entries.
type policies struct {
	mu    sync.Mutex
	known map[string]policy
}

func (p *policies) get(dn string, now time.Time) (policy, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.known[fold(dn)]
	return known, ok && now.Before(known.until)
}

func (p *policies) keep(dn string, what policy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= mostPolicy {
		p.known = map[string]policy{}
	}
	p.known[fold(dn)] = what
}

// Limit implements [idp.LimitReader] by the fine-grained policy of the person, where there is one, or that of their
// domain; for nobody it is the strictest of every domain's. Policies are kept for ten minutes.
func (s *Source) Limit(ctx context.Context, u *idp.User) (idp.Lockout, error) {
	p, err := s.policyFor(ctx, u)
	if u != nil {
		// The id is objectGUID or entryUUID, which no other account has, and the same whichever base DN it was found below.
		p.lockout.Counted, p.lockout.Account = u.Failures, u.ID
	}
	return p.lockout, err
}

func (s *Source) policyFor(ctx context.Context, u *idp.User) (policy, error) {
	if u == nil {
		return s.commonPolicy(ctx)
	}
	g, ok := s.known.get(u.ID, u.DN, s.now())
	if !ok {
		id, e, err := s.byID(ctx, u.ID)
		if err != nil {
			return policy{}, err
		}
		if g, err = s.gathered(ctx, id, e, false); err != nil {
			return policy{}, err
		}
	}
	return s.policyOf(ctx, g.policy, u.DN)
}

// policyOf returns the policy of whoever is at the DN, and has one of their own or none.
func (s *Source) policyOf(ctx context.Context, own, dn string) (policy, error) {
	if own != "" {
		return s.policyAt(ctx, own)
	}
	for _, common := range s.common {
		if len(s.common) == 1 || within(dn, common) {
			return s.policyAt(ctx, common)
		}
	}
	return s.commonPolicy(ctx)
}

// commonPolicy is that of everybody who has none of their own; the strictest where there are several domains.
func (s *Source) commonPolicy(ctx context.Context) (policy, error) {
	if len(s.common) == 0 {
		if s.neverLocks {
			return policy{}, nil
		}
		return policy{}, fmt.Errorf("no policy is named: %w", errNoPolicy)
	}
	var strictest policy
	for i, dn := range s.common {
		p, err := s.policyAt(ctx, dn)
		if err != nil {
			return policy{}, err
		}
		if i == 0 {
			strictest = p
			continue
		}
		a, b := &strictest.lockout, p.lockout
		if b.Failures > 0 && (a.Failures == 0 || b.Failures < a.Failures) {
			a.Failures = b.Failures
		}
		a.Window = max(a.Window, b.Window)
	}
	return strictest, nil
}

// policyAt reads a policy, or returns it as it was read last.
func (s *Source) policyAt(ctx context.Context, dn string) (policy, error) {
	if known, ok := s.policies.get(dn, s.now()); ok {
		return known, known.err
	}
	entries, err := s.search(ctx, &goldap.SearchRequest{
		BaseDN: dn, Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: s.kind.policyAttributes,
	})
	if err != nil && ctx.Err() != nil {
		return policy{}, err // the caller left, which says nothing of the directory
	}
	var read policy
	switch {
	case resultIs(err, goldap.LDAPResultNoSuchObject), resultIs(err, goldap.LDAPResultInsufficientAccessRights):
		read.err = fmt.Errorf("%q: %w: %w", dn, errNoPolicy, err)
	case err != nil:
		read.err = err
	case len(entries) != 1:
		read.err = fmt.Errorf("%q: %w", dn, errNoPolicy)
	default:
		if read = s.kind.readPolicy(entries[0]); read.err != nil {
			read.err = fmt.Errorf("%q: %w", dn, read.err)
		}
	}
	read.until = s.now().Add(policyTime)
	if read.err != nil {
		read.until = s.now().Add(policyWait)
	}
	s.policies.keep(dn, read)
	return read, read.err
}

// failures returns how many wrong passwords the directory counts of the person. The count outlives its window, so that the
// policy has to be known: without it somebody who mistyped a password last week would be kept out for ever. A
// lock that outlives the window counts for nothing here: the directory refuses by itself, counts no more, and a first try
// that is answered by a limit would tell whoever makes it that there is such an account (security.md C-26).
func (s *Source) failures(ctx context.Context, own string, e *goldap.Entry) int {
	n := s.kind.failures(e, 0, s.now())
	if n == 0 {
		return 0
	}
	window := idp.StrictWindow
	switch p, err := s.policyOf(ctx, own, e.DN); {
	case err != nil:
	case p.forever:
		return n
	case p.lockout.Window > 0:
		window = p.lockout.Window
	}
	// The directory's clock may be behind ours, and its window may not be over yet.
	return s.kind.failures(e, window+min(mostSkew, window/10), s.now())
}

// within reports whether an entry lies in the domain whose top the root is, and in no domain below that.
func within(dn, root string) bool {
	domain, err := domainOf(dn)
	return err == nil && sameDN(domain, root)
}

func (s *Source) checkLockout(ctx context.Context) idp.Finding {
	p, err := s.commonPolicy(ctx)
	failures, window := p.lockout.Failures, p.lockout.Window
	most, _ := p.lockout.PassedOn(false)
	strangers, all := p.lockout.PassedOn(true)
	switch {
	case err != nil:
		return s.finding("warning", "the lockout policy of the domain cannot be read, so that one failure in 30 minutes is passed on: %v", s.kind.policyCure, err)
	case failures == 0:
		return s.finding("warning", "the domain never locks an account; the gateway alone bounds wrong passwords", "set a threshold for the domain (lockoutThreshold, pwdMaxFailure)")
	case p.forever:
		return s.finding("warning", "the domain locks an account after %d failures however old they are, by %q; the gateway passes %d on, and then holds whoever is at no device of their own", "give pwdFailureCountInterval a value", failures, s.common, most)
	case failures < 3:
		return s.finding("warning", "the domain locks an account after %d failures within %s, by %q; the gateway passes %d on, which is not two fewer", "raise the threshold (lockoutThreshold, pwdMaxFailure)", failures, window, s.common, most)
	}
	return s.finding("ok", "the domain locks an account after %d failures within %s, by %q; the gateway passes %d on, or %d and then %d more from devices that the person called their own", "", failures, window, s.common, most, strangers, all-strangers)
}
