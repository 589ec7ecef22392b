package ldap_test

import (
	"net"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

// TestAWrongServicePassword: a gateway with the old password of the service account does not lock it, however many people
// come and however many servers there are.
func TestAWrongServicePassword(t *testing.T) {
	for _, servers := range []int{1, 3} {
		c, dir := &clock{}, corp()
		right := dir.passwords[service]
		dir.passwords[service] = "changed"
		s := open(t, dir, servers, func(cfg *ldap.Config) { cfg.Now = c.now })
		count := func() int {
			binds, _ := dir.seen()
			return len(binds)
		}
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() { _, _ = s.Find(t.Context(), "alice") })
		}
		all.Wait()
		for range 34 {
			c.advance(time.Minute)
			_, _ = s.Find(t.Context(), "alice")
		}
		if n := count(); n > min(servers, 2) {
			t.Errorf("%d servers: %d wrong passwords in half an hour", servers, n)
		}
		dir.mu.Lock()
		dir.passwords[service] = right
		dir.mu.Unlock()
		c.advance(2 * time.Minute)
		s.find(t, "alice")
	}
}

// TestALockedServiceAccount is asked for again soon: that is counted by nobody.
func TestALockedServiceAccount(t *testing.T) {
	c, dir := &clock{}, corp()
	dir.states[service] = "775"
	s := open(t, dir, 1, func(cfg *ldap.Config) { cfg.Now = c.now })
	if _, err := s.Find(t.Context(), "alice"); err == nil {
		t.Fatal("a locked account searches")
	}
	dir.mu.Lock()
	delete(dir.states, service)
	dir.mu.Unlock()
	c.advance(61 * time.Second)
	s.find(t, "alice")
}

// TestAServerThatIsUnable: one that answers searches by an error of its own is as good as none.
func TestAServerThatIsUnable(t *testing.T) {
	for _, code := range []int64{goldap.LDAPResultOperationsError, goldap.LDAPResultOther} {
		s := open(t, corp(), 2, nil)
		s.dcs[0].misbehave(func(conn net.Conn, r *ber.Packet) bool {
			if r.Children[1].Tag != goldap.ApplicationSearchRequest {
				return false
			}
			s.dcs[0].answer(conn, r.Children[0].Value.(int64), goldap.ApplicationSearchResultDone, result{code: code, text: "000004DC: LdapErr"})
			return true
		})
		s.signIn(t)
		if state := s.Status()[1]; state.State != "down" {
			t.Errorf("code %d: %+v", code, s.Status())
		}
	}
}
