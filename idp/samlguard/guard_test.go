package samlguard

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// attacks says why each file of testdata is refused. Files named accept-* are let pass.
var attacks = map[string]Reason{
	"algorithm-missing":                      BadAlgorithm,
	"assertion-in-advice":                    Misplaced,
	"attribute-less-than":                    Malformed,
	"attribute-line-end":                     Malformed,
	"attribute-prefix-undeclared":            BadNamespace,
	"attribute-without-quotes":               Malformed,
	"attribute-without-space":                Malformed,
	"billion-laughs":                         Doctype,
	"byte-order-mark":                        BadEncoding,
	"c14n-inclusive":                         BadAlgorithm,
	"c14n-with-comments":                     BadAlgorithm,
	"cdata-end-in-text":                      Malformed,
	"cdata-in-name-id":                       CDATA,
	"character-reference-nul":                Malformed,
	"character-reference-surrogate":          Malformed,
	"comment-after-root":                     Comment,
	"comment-in-name-id":                     Comment,
	"control-character":                      BadCharacter,
	"cut-short":                              Malformed,
	"declaration-late":                       Instruction,
	"declared-iso-8859-1":                    BadEncoding,
	"declared-utf-16":                        BadEncoding,
	"declared-version-1.1":                   BadEncoding,
	"digest-comment":                         Comment,
	"digest-empty":                           SignatureShape,
	"digest-sha1":                            BadAlgorithm,
	"digest-value-in-attribute-value":        Misplaced,
	"digest-whitespace":                      SignatureShape,
	"directive-in-comment":                   Doctype,
	"doctype-external":                       Doctype,
	"doctype-internal":                       Doctype,
	"doctype-quote-differential":             Doctype,
	"duplicate-attribute-by-namespace":       DuplicateAttribute,
	"duplicate-attribute":                    DuplicateAttribute,
	"duplicate-id-other-case":                DuplicateID,
	"duplicate-id":                           DuplicateID,
	"empty":                                  Malformed,
	"encrypted-beside-signed":                AssertionCount,
	"end-tag-does-not-fit":                   Malformed,
	"entity-in-id":                           BadID,
	"entity-unknown":                         Malformed,
	"hmac-truncated":                         Misplaced,
	"hmac-with-public-key":                   BadAlgorithm,
	"id-missing":                             BadID,
	"id-with-space":                          BadID,
	"instruction-before-root":                Instruction,
	"instruction-in-name-id":                 Instruction,
	"name-empty-local":                       Malformed,
	"name-empty-prefix":                      Malformed,
	"name-not-ascii":                         Malformed,
	"name-two-colons":                        Malformed,
	"namespace-by-reference":                 BadNamespace,
	"namespace-not-ascii":                    BadNamespace,
	"namespace-relative":                     BadNamespace,
	"no-assertion-on-success":                AssertionCount,
	"not-utf8":                               BadEncoding,
	"prefix-redefined":                       BadNamespace,
	"prefix-undeclared-by-empty":             BadNamespace,
	"prefix-undeclared":                      BadNamespace,
	"prefix-xml-redefined":                   BadNamespace,
	"reference-empty":                        BadReference,
	"reference-external":                     BadReference,
	"reference-to-response":                  BadReference,
	"reference-without-digest-method":        SignatureShape,
	"reference-xpointer":                     BadReference,
	"response-inside-response":               Misplaced,
	"retrieval-method":                       Misplaced,
	"root-assertion":                         WrongRoot,
	"root-logout-response":                   WrongRoot,
	"root-other-namespace":                   WrongRoot,
	"root-without-id":                        BadID,
	"rsa-sha1":                               BadAlgorithm,
	"second-root":                            TrailingContent,
	"signature-in-extensions":                Misplaced,
	"signature-in-subject":                   Misplaced,
	"signature-value-empty":                  SignatureShape,
	"signature-without-reference":            SignatureShape,
	"signature-without-signed-info":          SignatureShape,
	"signature-without-value":                SignatureShape,
	"text-after-root":                        TrailingContent,
	"text-before-root":                       Malformed,
	"transform-missing-c14n":                 BadAlgorithm,
	"transform-three":                        BadAlgorithm,
	"transform-xslt":                         BadAlgorithm,
	"two-assertions-first-signed":            AssertionCount,
	"two-assertions-second-signed":           AssertionCount,
	"two-conditions":                         Repeated,
	"two-issuers":                            Repeated,
	"two-name-ids":                           Repeated,
	"two-references":                         SignatureShape,
	"two-signature-values":                   SignatureShape,
	"two-signatures":                         Repeated,
	"two-signed-infos":                       SignatureShape,
	"two-subjects":                           Repeated,
	"utf-16":                                 BadEncoding,
	"xinclude":                               Misplaced,
	"xml-id":                                 BadID,
	"xsw1-original-inside-signature":         BadReference,
	"xsw2-original-before-signature":         Misplaced,
	"xsw3-evil-assertion-first":              AssertionCount,
	"xsw4-signed-inside-evil":                Misplaced,
	"xsw5-signature-on-evil":                 BadReference,
	"xsw6-original-inside-signature-of-evil": BadReference,
	"xsw7-evil-in-extensions":                Misplaced,
	"xsw8-original-in-object":                BadReference,
}

func TestAttacksAreRefused(t *testing.T) {
	left := make(map[string]bool, len(attacks))
	for name := range attacks {
		left[name] = true
	}
	for name, doc := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			shape, err := Check(doc, Response, Limits{})
			if strings.HasPrefix(name, "accept-") {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			delete(left, name)
			want, known := attacks[name]
			if !known {
				t.Fatal("the table does not say why this file is refused")
			}
			refused := refusal(err)
			if refused == nil {
				t.Fatalf("let pass as %+v", shape)
			}
			if refused.Reason != want {
				t.Fatalf("got %v, want %s", err, want)
			}
			if refused.Offset < 0 || refused.Offset > len(doc) {
				t.Fatalf("offset %d of %d", refused.Offset, len(doc))
			}
		})
	}
	for name := range left {
		t.Errorf("testdata/%s.xml is missing", name)
	}
}

func fixtures(t testing.TB) map[string][]byte {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	docs := make(map[string][]byte, len(files))
	for _, file := range files {
		doc, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		docs[strings.TrimSuffix(filepath.Base(file), ".xml")] = doc
	}
	return docs
}

func TestShape(t *testing.T) {
	docs := fixtures(t)
	tests := map[string]Shape{
		"accept-assertion-signed": {ID: "_r1", Status: statusSuccess, AssertionID: "_a1", AssertionSigned: true},
		"accept-both-signed":      {ID: "_r1", Status: statusSuccess, Signed: true, AssertionID: "_a1", AssertionSigned: true},
		"accept-unsigned":         {ID: "_r1", Status: statusSuccess, AssertionID: "_a1"},
		"accept-encrypted":        {ID: "_r1", Status: statusSuccess, Encrypted: true},
		"accept-refused-by-idp":   {ID: "_r1", Status: "urn:oasis:names:tc:SAML:2.0:status:Responder"},
	}
	for name, want := range tests {
		got, err := Check(docs[name], Response, Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.ID != want.ID || got.Status != want.Status || got.Signed != want.Signed || got.AssertionID != want.AssertionID ||
			got.AssertionSigned != want.AssertionSigned || got.Encrypted != want.Encrypted {
			t.Errorf("%s: got %+v, want %+v", name, *got, want)
		}
	}
}

func TestKinds(t *testing.T) {
	const ns = ` xmlns="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1"/>`
	for _, kind := range []Kind{AuthnRequest, LogoutRequest, LogoutResponse} {
		if _, err := Check([]byte("<"+string(kind)+ns), kind, Limits{}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if _, err := Check([]byte("<"+string(kind)+ns), Response, Limits{}); reason(err) != WrongRoot {
			t.Errorf("%s as Response: %v", kind, err)
		}
	}
	if _, err := Check(fixtures(t)["root-assertion"], Assertion, Limits{}); err != nil {
		t.Errorf("Assertion: %v", err)
	}
	if _, err := Check([]byte("<x/>"), "x", Limits{}); reason(err) != WrongRoot {
		t.Errorf("unknown kind: %v", err)
	}
}

func TestSHA1OnlyWhenAskedFor(t *testing.T) {
	docs := fixtures(t)
	for _, name := range []string{"rsa-sha1", "digest-sha1"} {
		if _, err := Check(docs[name], Response, Limits{SHA1: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Check(docs["hmac-with-public-key"], Response, Limits{SHA1: true}); reason(err) != BadAlgorithm {
		t.Errorf("hmac: %v", err)
	}
}

// refusal returns the *Refused of an error, or nil.
func refusal(err error) *Refused {
	var r *Refused
	if !errors.As(err, &r) {
		return nil
	}
	return r
}

func reason(err error) Reason {
	if r := refusal(err); r != nil {
		return r.Reason
	}
	return ""
}
