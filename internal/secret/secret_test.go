package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// hidden has a secret where fmt can't ask it how it prints.
type hidden struct {
	name string
	key  Secret
	keys []Secret
}

func TestASecretShowsItselfNowhere(t *testing.T) {
	const value = "TOPSECRET"
	s := New(value)
	for _, v := range []any{s, &s, []Secret{s}, map[string]Secret{"k": s}, struct{ Key Secret }{s}, hidden{"n", s, []Secret{s}}, &hidden{"n", s, nil}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, value) || strings.Contains(text, "544f50") {
				t.Errorf("%s of %T: %s", verb, v, text)
			}
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
		doc, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if text := log.String() + string(doc); strings.Contains(text, value) {
			t.Errorf("%T is written as %s", v, text)
		}
	}
	if s.Reveal() != value || fmt.Sprint(s) != Hidden {
		t.Errorf("got %q and %s", s.Reveal(), s)
	}
}

func TestSecretsAreEqualByTheirValues(t *testing.T) {
	a, b := New("x"), New("x")
	if !a.Equal(b) || a.Equal(New("y")) || a.Equal(Secret{}) || !(Secret{}).Equal(New("")) {
		t.Error("secrets are not compared by their values")
	}
	if !(Secret{}).IsZero() || !New("").IsZero() || a.IsZero() {
		t.Error("it is not known which is empty")
	}
}
