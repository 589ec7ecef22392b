package e2e

import (
	"strings"
	"testing"
)

// TestResponse: the response that the browser would post holds up to xmlsec1 with the certificate of our
// metadata and to the SAML schemas, in each of the partitions' shapes.
func TestResponse(t *testing.T) {
	for _, at := range []struct{ partition, region string }{{"aws", "us-east-1"}, {"aws", "eu-west-2"}, {"aws-us-gov", "us-gov-west-1"}} {
		t.Run(at.region, func(t *testing.T) {
			h := openHouseIn(t, at.partition, at.region)
			c, who := h.Caddy, h.agent
			meta := c.Metadata()
			Validate(t, meta.XML, "metadata")
			if len(meta.XML) < 1000 {
				t.Errorf("IAM wants 1,000 characters of metadata, this has %d", len(meta.XML))
			}

			client := c.Client()
			tiles, _ := client.SignIn(c, who)
			post, _ := client.Launch(tiles, "connect", who)
			response, err := post.SAMLResponse()
			if err != nil {
				t.Fatal(err)
			}
			Validate(t, response, "protocol")
			if _, err := Verify(response, meta.Certificates[0]); err != nil {
				t.Error(err)
			}
			// The key that is published for the next rollover signs nothing yet.
			if _, err := Verify(response, meta.Certificates[1]); err == nil {
				t.Error("the next key verifies as well")
			}
			tampered := strings.Replace(string(response), "alice@example.test", "susan@example.test", 1)
			if tampered == string(response) {
				t.Fatalf("no name to change in %s", response)
			}
			if _, err := Verify([]byte(tampered), meta.Certificates[0]); err == nil {
				t.Error("xmlsec1 takes a response with another name in it: this test proves nothing")
			}
		})
	}
}
