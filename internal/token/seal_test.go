package token

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

var (
	newSecret = secret.New(strings.Repeat("n", minSecret))
	oldSecret = secret.New(strings.Repeat("o", minSecret))
)

type sealedThing struct {
	Key  string `json:"key"`
	Size int64  `json:"size"`
}

func sealer(t testing.TB, audience string, current secret.Secret, old ...secret.Secret) *Sealer {
	t.Helper()
	s, err := NewSealer(audience, current, old...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t testing.TB, s *Sealer, kind string, claims any, expires time.Time) string {
	t.Helper()
	sealed, err := s.Seal(kind, claims, expires)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealedTokenOpensAsItsOwnKindOnly(t *testing.T) {
	s := sealer(t, broker, newSecret)
	want := sealedThing{Key: "backups/web1/crm/x", Size: 1 << 40}
	kinds := []string{KindUpload, KindTicket, KindPart, KindDownload, KindStatus}
	for _, made := range kinds {
		sealed := seal(t, s, made, want, noon.Add(time.Hour))
		for _, opened := range kinds {
			var got sealedThing
			err := s.Open(opened, sealed, &got, noon)
			if made == opened {
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("%s: %v %s", made, err, diff)
				}
				continue
			}
			if !errors.Is(err, ErrToken) || got != (sealedThing{}) {
				t.Errorf("%s passed for %s: %+v, %v", made, opened, got, err)
			}
		}
	}
}

func TestSealedTokenExpires(t *testing.T) {
	s := sealer(t, broker, newSecret)
	sealed := seal(t, s, KindPart, sealedThing{}, noon)
	if err := s.Open(KindPart, sealed, &sealedThing{}, noon.Add(-time.Second)); err != nil {
		t.Error(err)
	}
	for _, now := range []time.Time{noon, noon.Add(time.Hour)} {
		if err := s.Open(KindPart, sealed, &sealedThing{}, now); !errors.Is(err, ErrExpired) || !errors.Is(err, ErrToken) {
			t.Errorf("at %s: got %v, want ErrToken and ErrExpired", now, err)
		}
	}
	// Only who could have used it may learn that it has expired.
	if err := sealer(t, "https://other.example", newSecret).Open(KindPart, sealed, &sealedThing{}, noon); errors.Is(err, ErrExpired) {
		t.Errorf("another audience: got %v, want no ErrExpired", err)
	}
	if err := s.Open(KindTicket, sealed, &sealedThing{}, noon); errors.Is(err, ErrExpired) {
		t.Errorf("another kind: got %v, want no ErrExpired", err)
	}
}

func TestSecretsRotate(t *testing.T) {
	before, during, after := sealer(t, broker, oldSecret), sealer(t, broker, newSecret, oldSecret), sealer(t, broker, newSecret)
	open := func(s *Sealer, sealed string) error { return s.Open(KindUpload, sealed, &sealedThing{}, noon) }
	old := seal(t, before, KindUpload, sealedThing{}, noon.Add(time.Hour))
	if err := open(during, old); err != nil {
		t.Errorf("old secret during rotation: %v", err)
	}
	if err := open(after, old); !errors.Is(err, ErrToken) {
		t.Errorf("old secret after rotation: got %v, want ErrToken", err)
	}
	if err := open(after, seal(t, during, KindUpload, sealedThing{}, noon.Add(time.Hour))); err != nil {
		t.Errorf("sealed with the new secret: %v", err)
	}
}

func TestSealedTokenIsRefused(t *testing.T) {
	s := sealer(t, broker, newSecret)
	header := map[string]any{"alg": "HS256", "typ": "holdfast-part"}
	claims := map[string]any{"aud": broker, "exp": noon.Add(time.Hour).Unix(), "claims": map[string]any{"key": "k", "size": 1}}
	with := func(m map[string]any, name string, value any) map[string]any {
		m = maps.Clone(m)
		if m[name] = value; value == nil {
			delete(m, name)
		}
		return m
	}
	mac := hsSign([]byte(newSecret.Reveal()))
	good := jws(t, header, claims, mac)
	parts := strings.Split(good, ".")
	tampered := strings.Split(jws(t, header, with(claims, "claims", map[string]any{"key": "k", "size": 2}), mac), ".")[1]
	cases := map[string]string{
		"empty":                  "",
		"tampered claims":        parts[0] + "." + tampered + "." + parts[2],
		"signature cut":          good[:len(good)-1],
		"no signature":           parts[0] + "." + parts[1] + ".",
		"a line end inside":      good[:10] + "\n" + good[10:],
		"padding":                good + "=",
		"over-long":              jws(t, header, with(claims, "x", strings.Repeat("x", maxSealedToken)), mac),
		"alg none":               jws(t, with(header, "alg", "none"), claims, func(string) []byte { return nil }),
		"alg none, signed":       jws(t, with(header, "alg", "none"), claims, mac),
		"alg EdDSA":              jws(t, with(header, "alg", "EdDSA"), claims, edSign(seededKey("web1"))),
		"alg EdDSA with the mac": jws(t, with(header, "alg", "EdDSA"), claims, mac),
		"alg HS512 by name":      jws(t, with(header, "alg", "HS512"), claims, mac),
		"another secret":         jws(t, header, claims, hsSign([]byte(oldSecret.Reveal()))),
		"an empty secret":        jws(t, header, claims, hsSign(nil)),
		"typ missing":            jws(t, with(header, "typ", nil), claims, mac),
		"typ JWT":                jws(t, with(header, "typ", "JWT"), claims, mac),
		"typ upper case":         jws(t, with(header, "typ", "HOLDFAST-PART"), claims, mac),
		"kid beside":             jws(t, with(header, "kid", "x"), claims, mac),
		"crit":                   jws(t, with(header, "crit", []string{"exp"}), claims, mac),
		"exp missing":            jws(t, header, with(claims, "exp", nil), mac),
		"audience missing":       jws(t, header, with(claims, "aud", nil), mac),
		"another audience":       jws(t, header, with(claims, "aud", "https://other.example"), mac),
		"claims missing":         jws(t, header, with(claims, "claims", nil), mac),
		"claims unknown":         jws(t, header, with(claims, "claims", map[string]any{"key": "k", "more": 1}), mac),
		"a request token":        sign(t, signer(t, "web1", "web1", broker), "GET", "/", "", noon),
	}
	for name, sealed := range cases {
		t.Run(name, func(t *testing.T) {
			var got sealedThing
			if err := s.Open(KindPart, sealed, &got, noon); !errors.Is(err, ErrToken) {
				t.Errorf("got %+v, %v, want ErrToken", got, err)
			}
		})
	}
	if err := s.Open(KindPart, good, &sealedThing{}, noon); err != nil {
		t.Errorf("the token that all cases alter: %v", err)
	}
}

func TestSealerRefusesWhatWouldProtectNothing(t *testing.T) {
	short := secret.New(strings.Repeat("s", minSecret-1))
	if _, err := NewSealer("", newSecret); err == nil {
		t.Error("no audience: want an error")
	}
	if _, err := NewSealer(broker, short); err == nil {
		t.Error("a short secret: want an error")
	}
	if _, err := NewSealer(broker, newSecret, short); err == nil {
		t.Error("a short old secret: want an error")
	}
	if _, err := NewSealer(broker, newSecret, secret.Secret{}); err == nil {
		t.Error("an empty old secret: want an error")
	}
	s := sealer(t, broker, newSecret)
	if _, err := s.Seal("JWT", sealedThing{}, noon); err == nil {
		t.Error("an unknown kind was sealed")
	}
	if err := s.Open("", seal(t, s, KindPart, sealedThing{}, noon), &sealedThing{}, noon); err == nil {
		t.Error("an unknown kind was opened")
	}
}

func FuzzSealedToken(f *testing.F) {
	s := sealer(f, broker, newSecret)
	good := seal(f, s, KindUpload, sealedThing{Key: "k", Size: 1}, noon.Add(time.Hour))
	f.Add(good)
	f.Add(strings.TrimRight(good, "A"))
	f.Add("eyJhbGciOiJub25lIiwidHlwIjoiaG9sZGZhc3QtdXBsb2FkIn0.e30.")
	f.Fuzz(func(t *testing.T, sealed string) {
		var got sealedThing
		err := s.Open(KindUpload, sealed, &got, noon)
		if err == nil && sealed != good {
			t.Errorf("opened %q as %+v", sealed, got)
		}
		if err != nil && !errors.Is(err, ErrToken) {
			t.Errorf("got %v, want ErrToken", err)
		}
	})
}
