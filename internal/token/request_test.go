package token

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

const broker = "https://broker.example"

var noon = time.Date(2025, 10, 28, 12, 0, 0, 0, time.UTC)

// seededKey returns a key that is the same in every run.
func seededKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// jws signs header and claims as they are, however wrong they are.
func jws(t testing.TB, header, claims map[string]any, sign func(input string) []byte) string {
	t.Helper()
	segment := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	input := segment(header) + "." + segment(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(sign(input))
}

func edSign(key ed25519.PrivateKey) func(string) []byte {
	return func(input string) []byte { return ed25519.Sign(key, []byte(input)) }
}

func hsSign(key []byte) func(string) []byte {
	return func(input string) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
}

// verifier knows web1 and its key, asks nobody for a malformed key id, and
// stands at noon.
func verifier(t testing.TB) *Verifier {
	t.Helper()
	key := public(seededKey("web1"))
	v, err := NewVerifier(broker, func(kid string) (holdfast.Principal, bool) {
		if strings.Trim(kid, "0123456789abcdef") != "" || len(kid) != 16 {
			t.Errorf("lookup was called with %q", kid)
		}
		return holdfast.Principal{Name: "web1", Key: key}, kid == holdfast.KeyID(key)
	}, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func signer(t testing.TB, key, issuer, audience string) *Signer {
	t.Helper()
	s, err := NewSigner(seededKey(key), issuer, audience)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t testing.TB, s *Signer, method, path, body string, now time.Time) string {
	t.Helper()
	signed, err := s.Sign(method, path, []byte(body), now)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestRequestTokenIsAcceptedForItsCallOnce(t *testing.T) {
	v := verifier(t)
	signed := sign(t, signer(t, "web1", "web1", "https://Broker.example:443/"), "POST", "/v1/backups?x=1", "body", noon)
	got, err := v.Verify("Bearer "+signed, "POST", "/v1/backups?x=1")
	if err != nil {
		t.Fatal(err)
	}
	if got.Principal.Name != "web1" {
		t.Errorf("got principal %q, want web1", got.Principal.Name)
	}
	if err := got.CheckBody([]byte("body")); err != nil {
		t.Error(err)
	}
	if err := got.CheckBody([]byte("another body")); !errors.Is(err, ErrToken) {
		t.Errorf("another body: got %v, want ErrToken", err)
	}
	if _, err := v.Verify("Bearer "+signed, "POST", "/v1/backups?x=1"); !errors.Is(err, ErrToken) {
		t.Errorf("the same token again: got %v, want ErrToken", err)
	}
}

func TestRequestTokenIsRefused(t *testing.T) {
	host := seededKey("web1")
	kid := holdfast.KeyID(public(host))
	header := map[string]any{"alg": "EdDSA", "kid": kid, "typ": requestType}
	claims := map[string]any{
		"iss": "web1", "aud": []string{broker}, "iat": noon.Unix(), "exp": noon.Add(Lifetime).Unix(),
		"jti": strings.Repeat("A", 22), "htm": "POST", "htu": "/v1/backups", "bsh": bodyHash(nil),
	}
	with := func(m map[string]any, name string, value any) map[string]any {
		m = maps.Clone(m)
		m[name] = value
		return m
	}
	without := func(m map[string]any, name string) map[string]any {
		m = maps.Clone(m)
		delete(m, name)
		return m
	}
	pkix, err := x509.MarshalPKIXPublicKey(public(host))
	if err != nil {
		t.Fatal(err)
	}
	good := jws(t, header, claims, edSign(host))
	parts := strings.Split(good, ".")
	own := seededKey("stranger")
	unsigned := func(string) []byte { return nil }
	cases := map[string]string{
		"nothing":                       "",
		"no bearer":                     good,
		"basic":                         "Basic " + good,
		"two spaces":                    "Bearer  " + good,
		"two segments":                  "Bearer " + parts[0] + "." + parts[1],
		"four segments":                 "Bearer " + good + ".x",
		"empty segments":                "Bearer ..",
		"a line end inside":             "Bearer " + parts[0] + "." + parts[1] + ".\n" + parts[2],
		"padding":                       "Bearer " + good + "==",
		"signature cut":                 "Bearer " + good[:len(good)-2],
		"claims of another token":       "Bearer " + parts[0] + "." + strings.Split(jws(t, header, with(claims, "htu", "/x"), edSign(host)), ".")[1] + "." + parts[2],
		"over-long":                     "Bearer " + jws(t, header, with(claims, "x", strings.Repeat("x", maxRequestToken)), edSign(host)),
		"alg none without signature":    "Bearer " + jws(t, with(header, "alg", "none"), claims, unsigned),
		"alg None":                      "Bearer " + jws(t, with(header, "alg", "None"), claims, unsigned),
		"alg none with signature":       "Bearer " + jws(t, with(header, "alg", "none"), claims, edSign(host)),
		"alg missing":                   "Bearer " + jws(t, without(header, "alg"), claims, edSign(host)),
		"HS256 with the public key":     "Bearer " + jws(t, with(header, "alg", "HS256"), claims, hsSign(public(host))),
		"HS256 with the key as text":    "Bearer " + jws(t, with(header, "alg", "HS256"), claims, hsSign([]byte(holdfast.FormatPublicKey(public(host))))),
		"HS256 with the key as PKIX":    "Bearer " + jws(t, with(header, "alg", "HS256"), claims, hsSign(pkix)),
		"kid with a path":               "Bearer " + jws(t, with(header, "kid", "../../etc/passwd"), claims, edSign(host)),
		"kid upper case":                "Bearer " + jws(t, with(header, "kid", strings.ToUpper(kid)), claims, edSign(host)),
		"kid with a line end":           "Bearer " + jws(t, with(header, "kid", kid+"\n"), claims, edSign(host)),
		"kid a number":                  "Bearer " + jws(t, with(header, "kid", 1), claims, edSign(host)),
		"kid missing":                   "Bearer " + jws(t, without(header, "kid"), claims, edSign(host)),
		"kid unknown":                   "Bearer " + jws(t, with(header, "kid", holdfast.KeyID(public(own))), claims, edSign(own)),
		"another's key":                 "Bearer " + jws(t, header, claims, edSign(own)),
		"key brought along as jwk":      "Bearer " + jws(t, with(header, "jwk", map[string]any{"kty": "OKP"}), claims, edSign(host)),
		"crit":                          "Bearer " + jws(t, with(header, "crit", []string{"exp"}), claims, edSign(host)),
		"typ JWT":                       "Bearer " + jws(t, with(header, "typ", "JWT"), claims, edSign(host)),
		"typ of a manifest":             "Bearer " + jws(t, with(header, "typ", manifestType), claims, edSign(host)),
		"issuer of another host":        "Bearer " + jws(t, header, with(claims, "iss", "db1"), edSign(host)),
		"issuer empty":                  "Bearer " + jws(t, header, with(claims, "iss", ""), edSign(host)),
		"issuer missing":                "Bearer " + jws(t, header, without(claims, "iss"), edSign(host)),
		"audience of another broker":    "Bearer " + jws(t, header, with(claims, "aud", "https://other.example"), edSign(host)),
		"audience empty":                "Bearer " + jws(t, header, with(claims, "aud", ""), edSign(host)),
		"audience missing":              "Bearer " + jws(t, header, without(claims, "aud"), edSign(host)),
		"audience of several":           "Bearer " + jws(t, header, with(claims, "aud", []string{broker, "https://other.example"}), edSign(host)),
		"exp missing":                   "Bearer " + jws(t, header, without(claims, "exp"), edSign(host)),
		"exp a text":                    "Bearer " + jws(t, header, with(claims, "exp", "tomorrow"), edSign(host)),
		"exp beyond all numbers":        "Bearer " + jws(t, header, with(claims, "exp", 1e300), edSign(host)),
		"iat missing":                   "Bearer " + jws(t, header, without(claims, "iat"), edSign(host)),
		"lives longer than two minutes": "Bearer " + jws(t, header, with(claims, "exp", noon.Add(MaxLifetime+time.Second).Unix()), edSign(host)),
		"lives for no time":             "Bearer " + jws(t, header, with(claims, "exp", noon.Unix()), edSign(host)),
		"method another":                "Bearer " + jws(t, header, with(claims, "htm", "GET"), edSign(host)),
		"method lower case":             "Bearer " + jws(t, header, with(claims, "htm", "post"), edSign(host)),
		"path another":                  "Bearer " + jws(t, header, with(claims, "htu", "/v1/reports"), edSign(host)),
		"path with a query":             "Bearer " + jws(t, header, with(claims, "htu", "/v1/backups?host=db1"), edSign(host)),
		"body's hash missing":           "Bearer " + jws(t, header, without(claims, "bsh"), edSign(host)),
		"jti missing":                   "Bearer " + jws(t, header, without(claims, "jti"), edSign(host)),
		"jti short":                     "Bearer " + jws(t, header, with(claims, "jti", "1"), edSign(host)),
	}
	for name, authorization := range cases {
		t.Run(name, func(t *testing.T) {
			if got, err := verifier(t).Verify(authorization, "POST", "/v1/backups"); !errors.Is(err, ErrToken) {
				t.Errorf("got %+v, %v, want ErrToken", got, err)
			}
		})
	}
	if _, err := verifier(t).Verify("Bearer "+good, "POST", "/v1/backups"); err != nil {
		t.Errorf("the token that all cases alter: %v", err)
	}
}

func TestUnknownKeyIssuerAndSignatureReadTheSame(t *testing.T) {
	v := verifier(t)
	texts := map[string]string{}
	for name, signed := range map[string]string{
		"unknown key":   sign(t, signer(t, "stranger", "web1", broker), "POST", "/", "", noon),
		"wrong issuer":  sign(t, signer(t, "web1", "db1", broker), "POST", "/", "", noon),
		"bad signature": sign(t, signer(t, "web1", "web1", broker), "POST", "/", "", noon)[:250] + "x",
	} {
		_, err := v.Verify("Bearer "+signed, "POST", "/")
		texts[name] = fmt.Sprint(err)
	}
	for name, text := range texts {
		if text != texts["unknown key"] {
			t.Errorf("%s reads %q, an unknown key %q", name, text, texts["unknown key"])
		}
	}
}

func TestTimesAgainstTheBrokersClock(t *testing.T) {
	cases := map[string]struct {
		ahead time.Duration // of the host's clock
		ok    bool
	}{
		"the same":                  {0, true},
		"a minute ahead":            {MaxAhead, true},
		"more than a minute ahead":  {MaxAhead + time.Second, false},
		"an hour ahead":             {time.Hour, false},
		"just not expired":          {-Lifetime + time.Second, true},
		"expired at this second":    {-Lifetime, false},
		"an hour behind":            {-time.Hour, false},
		"a lifetime of man ahead":   {80 * 365 * 24 * time.Hour, false},
		"as far as 1970 and behind": {-55 * 365 * 24 * time.Hour, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			signed := sign(t, signer(t, "web1", "web1", broker), "GET", "/", "", noon.Add(c.ahead))
			_, err := verifier(t).Verify("Bearer "+signed, "GET", "/")
			if c.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			clock, ok := errors.AsType[*ClockError](err)
			if !ok {
				t.Fatalf("got %v, want a ClockError", err)
			}
			if clock.Ahead != c.ahead {
				t.Errorf("got %s ahead, want %s", clock.Ahead, c.ahead)
			}
		})
	}
}

func TestNotBeforeInTheFutureIsAClockError(t *testing.T) {
	host := seededKey("web1")
	signed := jws(t, map[string]any{"alg": "EdDSA", "kid": holdfast.KeyID(public(host)), "typ": requestType}, map[string]any{
		"iss": "web1", "aud": broker, "iat": noon.Unix(), "exp": noon.Add(Lifetime).Unix(), "nbf": noon.Add(time.Hour).Unix(),
		"jti": strings.Repeat("A", 22), "htm": "GET", "htu": "/", "bsh": bodyHash(nil),
	}, edSign(host))
	_, err := verifier(t).Verify("Bearer "+signed, "GET", "/")
	if _, ok := errors.AsType[*ClockError](err); !ok {
		t.Errorf("got %v, want a ClockError", err)
	}
}

func TestClockErrorIsForGenuineTokensOnly(t *testing.T) {
	old := noon.Add(-time.Hour)
	for name, signed := range map[string]string{
		"unknown key":      sign(t, signer(t, "stranger", "web1", broker), "GET", "/", "", old),
		"wrong issuer":     sign(t, signer(t, "web1", "db1", broker), "GET", "/", "", old),
		"another audience": sign(t, signer(t, "web1", "web1", "https://other.example"), "GET", "/", "", old),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := verifier(t).Verify("Bearer "+signed, "GET", "/"); !errors.Is(err, ErrToken) {
				t.Errorf("got %v, want ErrToken", err)
			}
		})
	}
}

func TestEmptyNamesAreRefusedAtTheStart(t *testing.T) {
	lookup := func(string) (holdfast.Principal, bool) { return holdfast.Principal{}, false }
	if _, err := NewVerifier("", lookup, time.Now); err == nil {
		t.Error("a Verifier without audience was made")
	}
	if _, err := NewSigner(seededKey("web1"), "", broker); err == nil {
		t.Error("a Signer without issuer was made")
	}
	if _, err := NewSigner(seededKey("web1"), "web1", ""); err == nil {
		t.Error("a Signer without audience was made")
	}
	if _, err := NewSigner(nil, "web1", broker); err == nil {
		t.Error("a Signer without key was made")
	}
}

func TestPrincipalThatDoesNotFitItsKeyIsNobody(t *testing.T) {
	key := seededKey("web1")
	for name, p := range map[string]holdfast.Principal{
		"no name":       {Key: public(key)},
		"another's key": {Name: "web1", Key: public(seededKey("db1"))},
		"no key":        {Name: "web1"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := NewVerifier(broker, func(string) (holdfast.Principal, bool) { return p, true }, func() time.Time { return noon })
			if err != nil {
				t.Fatal(err)
			}
			signed := sign(t, signer(t, "web1", "web1", broker), "GET", "/", "", noon)
			if _, err := v.Verify("Bearer "+signed, "GET", "/"); !errors.Is(err, ErrToken) {
				t.Errorf("got %v, want ErrToken", err)
			}
		})
	}
}

func TestUsedRemembersAsLongAsATokenLivesAndNoMoreThanItsLimit(t *testing.T) {
	u := newUsed(4)
	if !u.first("a", noon) || u.first("a", noon) {
		t.Fatal("the second use passed for the first")
	}
	if u.first("a", noon.Add(MaxLifetime+MaxAhead)) {
		t.Error("forgotten while it could still be accepted")
	}
	for i := range 100 {
		u.first(fmt.Sprint(i), noon)
	}
	if n := len(u.now) + len(u.old); n > 8 {
		t.Errorf("remembers %d, want at most 8", n)
	}
}

func TestAudienceHasOneForm(t *testing.T) {
	for raw, want := range map[string]string{
		"https://b.example":          "https://b.example",
		"HTTPS://B.Example:443/":     "https://b.example",
		"http://127.0.0.1:80//":      "http://127.0.0.1",
		"http://[::1]:8420/":         "http://[::1]:8420",
		"https://b.example/backups/": "https://b.example/backups",
	} {
		if got, err := Audience(raw); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{"", "b.example", "//b.example", "ftp://b.example", "https://", "https://:443",
		"https://u:p@b.example", "https://b.example?x", "https://b.example?", "https://b.example#x", "https://b.example/\x00"} {
		if got, err := Audience(raw); err == nil {
			t.Errorf("%q: got %q, want an error", raw, got)
		}
	}
}

func FuzzRequestToken(f *testing.F) {
	// Not by a Signer: every worker process must have the same one.
	host := seededKey("web1")
	good := jws(f, map[string]any{"alg": "EdDSA", "kid": holdfast.KeyID(public(host)), "typ": requestType}, map[string]any{
		"iss": "web1", "aud": broker, "iat": noon.Unix(), "exp": noon.Add(Lifetime).Unix(),
		"jti": strings.Repeat("A", 22), "htm": "GET", "htu": "/", "bsh": bodyHash(nil),
	}, edSign(host))
	f.Add("Bearer " + good)
	f.Add("Bearer " + good[:len(good)-1])
	f.Add("Bearer " + strings.Replace(good, ".", "..", 1))
	f.Add("Bearer eyJhbGciOiJub25lIn0.e30.")
	f.Add("Bearer bnVsbA.bnVsbA.bnVsbA")
	f.Fuzz(func(t *testing.T, authorization string) {
		got, err := verifier(t).Verify(authorization, "GET", "/")
		if err == nil && authorization != "Bearer "+good {
			t.Errorf("accepted %q as %+v", authorization, got)
		}
		if _, clock := errors.AsType[*ClockError](err); err != nil && !clock && !errors.Is(err, ErrToken) {
			t.Errorf("got %v, want ErrToken or a ClockError", err)
		}
	})
}
