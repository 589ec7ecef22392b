package caddymodule

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestStandInBesideThePortal(t *testing.T) {
	s := newSite(t)
	s.load(s.caddyfile("") + fmt.Sprintf("\nhttp://signin.localhost:%[1]d, http://console.localhost:%[1]d {\nbind 127.0.0.1\ngatehouse_aws_signin {\naddress http://signin.localhost:%[1]d\nconsole http://console.localhost:%[1]d\n}\n}\n", s.port))
	host := fmt.Sprintf("signin.localhost:%d", s.port)
	status, page := s.do("/", host)
	if status != http.StatusOK || !strings.Contains(page, "practice address") && !strings.Contains(page, host) {
		t.Errorf("%d\n%.500s", status, page)
	}
	if doc, err := active(t).publicMetadata(); err != nil || !strings.Contains(string(doc), s.origin+"/saml/metadata") {
		t.Errorf("metadata for the stand-in: %v\n%s", err, doc)
	}
}
