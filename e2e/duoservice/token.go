package duoservice

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

var b64 = base64.RawURLEncoding

// Sign makes a token of any header and claims.
func Sign(header, claims map[string]any, secret []byte) string {
	h, _ := json.Marshal(header) // of plain values
	c, _ := json.Marshal(claims)
	text := b64.EncodeToString(h) + "." + b64.EncodeToString(c)
	return text + "." + b64.EncodeToString(sum(text, secret))
}

func sum(text string, secret []byte) []byte {
	m := hmac.New(sha512.New, secret)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// HS512 is the header of every token, both ways.
func HS512() map[string]any { return map[string]any{"alg": "HS512", "typ": "JWT"} }

// open reads a token that the client signed. Java's SDK lets them live for an hour.
func (s *Service) open(raw string) (map[string]any, error) {
	part := strings.Split(raw, ".")
	if len(part) != 3 {
		return nil, errors.New("not a token")
	}
	mac, err := b64.DecodeString(part[2])
	if err != nil || !hmac.Equal(mac, sum(part[0]+"."+part[1], s.secret)) {
		return nil, errors.New("signed with another key")
	}
	var header, claims map[string]any
	for i, to := range []*map[string]any{&header, &claims} {
		data, err := b64.DecodeString(part[i])
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, to); err != nil {
			return nil, err
		}
	}
	exp, ok := claims["exp"].(float64)
	now := float64(s.now().Unix())
	if header["alg"] != "HS512" || !ok || exp < now || exp > now+time.Hour.Seconds() {
		return nil, errors.New("expired, or with another algorithm")
	}
	return claims, nil
}

// oneAudience knows both forms: Go's SDK sends a list of one.
func oneAudience(aud any, want string) bool {
	list, ok := aud.([]any)
	return aud == want || ok && len(list) == 1 && list[0] == want
}

func (s *Service) token(w http.ResponseWriter, r *http.Request) {
	fail := func(code, text string) {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": text})
	}
	if err := s.client(r); err != nil {
		fail("invalid_client", "The provided client_assertion was invalid.")
		return
	}
	s.mu.Lock()
	g, ok := s.codes[r.Form.Get("code")]
	delete(s.codes, r.Form.Get("code"))
	change := s.change
	s.mu.Unlock()
	if !ok || r.Form.Get("grant_type") != "authorization_code" || r.Form.Get("redirect_uri") != g.redirect {
		fail("invalid_grant", "The provided authorization grant (e.g., authorization code) or refresh token is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client.")
		return
	}
	claims := s.claims("https://"+r.Host+r.URL.Path, g)
	header := HS512()
	if change != nil {
		change(claims)
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"id_token": Sign(header, claims, s.secret), "access_token": rand.Text(), "expires_in": 300, "token_type": "Bearer",
	})
}

func (s *Service) claims(issuer string, g grant) map[string]any {
	now := s.now()
	verdict := map[bool]string{true: "success", false: "denied"}[g.result == "allow"]
	claims := map[string]any{
		"iss": issuer, "aud": s.id, "sub": g.user, "preferred_username": g.user,
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "auth_time": g.authenticated.Unix(),
		"auth_result": map[string]any{"result": g.result, "status": g.status, "status_msg": "Login " + verdict},
		"auth_context": map[string]any{
			"txid": rand.Text(), "timestamp": g.authenticated.Unix(), "isotimestamp": g.authenticated.UTC().Format(time.RFC3339), "event_type": "authentication",
			"factor": g.factor, "result": verdict, "reason": g.reason, "alias": "", "email": nil, "ood_software": nil, "trusted_endpoint_status": "not trusted",
			"application": map[string]any{"key": s.id, "name": "Gatehouse"}, "user": map[string]any{"key": nil, "name": g.user, "groups": []string{}},
			"auth_device":   map[string]any{"ip": nil, "name": nil, "location": map[string]any{"city": "", "state": "", "country": ""}},
			"access_device": map[string]any{"ip": "192.0.2.1", "hostname": nil, "epkey": nil, "is_encryption_enabled": "unknown", "is_firewall_enabled": "unknown", "is_password_set": "unknown", "location": map[string]any{}},
		},
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	return claims
}
