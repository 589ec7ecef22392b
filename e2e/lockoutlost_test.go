package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// policyHidden: a service account that may not read a fine-grained policy takes it for a strict one.
func (s *siege) policyHidden(t *testing.T) {
	guesses := slices.Repeat([]guess{{s.who("fine"), "Guess-x"}}, 10)
	s.wantAnswered(t, s.spray(t, guesses), s.left, len(guesses)-s.left)
	s.wantShown(t, s.who("fine"), 1)
	if out, _ := s.Command("gatehouse", "check", "--config", s.config(), "--user", s.who("fine")); !strings.Contains(out, "cannot be read, so that one failure in 30 minutes is passed on") {
		t.Errorf("check does not say that the policy is hidden:\n%s", out)
	}
}

// answersLost: passwords that the domain judged and counted, while its answers do not come, cost what wrong ones do.
func (s *siege) answersLost(t *testing.T) {
	account := s.who("target")
	s.proxy.Set(HangAtBindReply)
	answered := s.spray(t, slices.Repeat([]guess{{account, "Guess-x"}}, 10))
	s.proxy.Set(Forward)
	if answered[http.StatusServiceUnavailable] != 10 {
		t.Errorf("while answers are lost: %v", answered)
	}
	n := s.proxy.BindsOf()[s.dn(account)]
	if counted := s.domain.BadPasswords(account); n != s.left || counted != n || s.domain.Locked(account) {
		t.Errorf("%d passwords were sent, and the domain counts %d; it locks at %d", n, counted, s.threshold)
	}
	// They are held, and told what a name is told of which nothing was judged so far.
	s.wantAnswered(t, s.spray(t, slices.Repeat([]guess{{account, "Guess-x"}}, 3)), s.left, 3-s.left)
	if again := s.proxy.BindsOf()[s.dn(account)]; again != n {
		t.Errorf("%d more passwords were sent", again-n)
	}
}

// windowPasses: whom wrong passwords elsewhere have kept out is let in when their time is over, though the domain's count stays;
// Samba leaves it even after the right one.
func (s *siege) windowPasses(t *testing.T) {
	account := s.who("desk")
	for range 3 {
		if out, err := s.domain.Bind(account+"@corp.example.test", "Not-The-One-x"); err == nil {
			t.Fatalf("the domain takes a wrong password: %s", out)
		}
	}
	right := guess{account, "Warm-Granite-73x"}
	s.spray(t, []guess{right})
	s.wantHeld(t, account)
	Await(t, "the window to pass", func() error {
		if n := s.domain.BadPasswords(account); n != 3 {
			return fmt.Errorf("the domain counts %d", n)
		}
		clients, pages := s.strangers(t, 1)
		p, err := clients[0].try(pages[0], right)
		if err == nil && p.Kind != "enroll" {
			err = fmt.Errorf("%s", p)
		}
		return err
	})
}
