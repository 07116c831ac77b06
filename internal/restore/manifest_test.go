package restore

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/token"
)

var otherRef = holdfast.Ref{Host: "web1", Job: "crm", ID: "20251027T140000Z-00000001"}

func TestManifestThatIsNotTheHostsIsRefused(t *testing.T) {
	_, stranger, _ := ed25519.GenerateKey(nil)
	tests := []struct {
		name   string
		change func(w *world, m holdfast.Manifest)
		want   error
	}{
		{"there is none", func(w *world, m holdfast.Manifest) { delete(w.vault.objects, testRef.ManifestKey()) }, holdfast.ErrNotExist},
		{"a byte of it changed", func(w *world, m holdfast.Manifest) {
			key := testRef.ManifestKey()
			w.vault.objects[key] = bytes.Replace(w.vault.objects[key], []byte(`"crm.sql"`), []byte(`"crm.sqk"`), 1)
		}, holdfast.ErrCorrupt},
		{"its end is missing", func(w *world, m holdfast.Manifest) {
			key := testRef.ManifestKey()
			w.vault.objects[key] = w.vault.objects[key][:len(w.vault.objects[key])/2]
		}, holdfast.ErrCorrupt},
		{"it is no JSON", func(w *world, m holdfast.Manifest) { w.vault.objects[testRef.ManifestKey()] = []byte("hello") }, holdfast.ErrCorrupt},
		{"it is larger than any manifest", func(w *world, m holdfast.Manifest) {
			w.vault.objects[testRef.ManifestKey()] = make([]byte, maxDocument+1)
		}, holdfast.ErrCorrupt},
		{"it is of another backup", func(w *world, m holdfast.Manifest) {
			m.Ref, m.Started = otherRef, otherRef.ID.Time()
			w.commit(testRef, m)
		}, holdfast.ErrCorrupt},
		{"it is signed by a stranger", func(w *world, m holdfast.Manifest) {
			doc, err := token.SignManifest(stranger, m)
			if err != nil {
				w.t.Fatal(err)
			}
			w.vault.objects[testRef.ManifestKey()] = doc
		}, ErrUnknownKey},
	}
	for _, test := range tests {
		w := newWorld(t)
		m := w.backup(testRef, plain{name: "crm", file: "crm.sql", data: []byte("select 1;\n")})
		test.change(w, m)
		for how, f := range map[string]Fetcher{"direct": w.direct(testRef), "signed": newSite(w).signed(testRef)} {
			t.Run(test.name+", "+how, func(t *testing.T) {
				if _, err := Open(t.Context(), f, w.options()); !errors.Is(err, test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
			})
		}
	}
}

func TestSkippingTheSignatureTakesUnknownKeysOnlyAndWarns(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "crm", file: "crm.sql", data: []byte("select 1;\n")})
	o := w.options()
	o.SkipSignature = true
	b, err := Open(t.Context(), Direct(w.vault, testRef), o)
	if err != nil {
		t.Fatal(err)
	}
	if b.Signature != Unchecked || len(w.warnings) != 1 || !strings.Contains(w.warnings[0], "not checked") {
		t.Errorf("got signature %q and warnings %q", b.Signature, w.warnings)
	}
	v, err := b.Verify(t.Context())
	if err != nil || len(v.Unproven) != 1 {
		t.Errorf("got %+v and %v, want it said that the signature is unproven", v, err)
	}
	key := testRef.ManifestKey()
	w.vault.objects[key] = bytes.Replace(w.vault.objects[key], []byte(`"crm.sql"`), []byte(`"crm.sqk"`), 1)
	if _, err := Open(t.Context(), w.direct(testRef), o); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("forged under a known key: got %v, want %v", err, holdfast.ErrCorrupt)
	}
}

func TestDataThatIsNotTheManifestsIsRefused(t *testing.T) {
	tests := []struct {
		name   string
		change func(w *world, key, otherKey string)
	}{
		{"a bit of it changed", func(w *world, key, _ string) {
			w.vault.objects[key] = bytes.Clone(w.vault.objects[key])
			w.vault.objects[key][len(w.vault.objects[key])-100] ^= 1
		}},
		{"it is that of another backup of the job", func(w *world, key, otherKey string) {
			w.vault.objects[key], w.vault.objects[otherKey] = w.vault.objects[otherKey], w.vault.objects[key]
		}},
		{"it is gone", func(w *world, key, _ string) { delete(w.vault.objects, key) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			m := w.backup(testRef, plain{name: "crm", file: "crm.sql", data: noise(300_000)})
			w.backup(otherRef, plain{name: "crm", file: "crm.sql", data: bytes.Repeat([]byte{1}, 300_000)})
			test.change(w, testRef.Key(m.Streams[0].File), otherRef.Key(m.Streams[0].File))
			dir := t.TempDir()
			_, err := w.open(testRef).ToDir(t.Context(), dir, DirOptions{})
			if !errors.Is(err, holdfast.ErrCorrupt) && !errors.Is(err, holdfast.ErrNotExist) {
				t.Errorf("got %v, want a refusal", err)
			}
			wantEmpty(t, dir)
			var out bytes.Buffer
			if err := w.open(testRef).ToWriter(t.Context(), "", &out); err == nil || out.Len() > 0 {
				t.Errorf("standard output got %d unproven bytes and %v", out.Len(), err)
			}
			v, err := w.open(testRef).Verify(t.Context())
			if err == nil || v.OK || v.Streams[0].Error == "" {
				t.Errorf("verify: got %+v and %v, want a failure", v, err)
			}
		})
	}
}

func TestWriterNeverSeesTheEndOfWhatIsNotProven(t *testing.T) {
	w := newWorld(t)
	m := w.backup(testRef, plain{name: "crm", file: "crm.sql", data: noise(5 << 20)})
	// Every layer is whole; only the manifest's plain hash is another.
	m.Streams[0].PlainSHA256 = strings.Repeat("0", 64)
	w.commit(testRef, m)
	var out bytes.Buffer
	err := w.open(testRef).ToWriter(t.Context(), "", &out)
	if !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("got %v, want %v", err, holdfast.ErrCorrupt)
	}
	if most := 5<<20 - heldBack; out.Len() > most || out.Len() < most-heldBack {
		t.Errorf("wrote %d bytes, want at most %d and not much less", out.Len(), most)
	}
}

func TestVerifySaysWhatItProved(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "crm", file: "crm.sql", data: noise(100_000)}, plain{name: "log", file: "log.txt", data: []byte("x"), open: true})
	stranger := newWorld(t)
	tests := []struct {
		name       string
		options    Options
		stored     bool
		plain      bool
		unproven   int
		ok         bool
		recipients bool
	}{
		{"all, with the identity", w.options(), true, true, 0, true, false},
		{"the stored bytes, without one", Options{}, true, false, 1, true, false},
		{"the stored bytes, with a wrong one", stranger.options(), true, false, 0, false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, err := Open(t.Context(), w.direct(testRef), test.options)
			if err != nil {
				t.Fatal(err)
			}
			v, err := b.Verify(t.Context())
			if v.OK != test.ok || (err == nil) != test.ok || len(v.Unproven) != test.unproven || v.Signature != Verified {
				t.Errorf("got %+v and %v", v, err)
			}
			if s := v.Streams[0]; s.Stored != test.stored || s.Plain != test.plain {
				t.Errorf("encrypted stream: got %+v", s)
			}
			if s := v.Streams[1]; !s.Stored || !s.Plain {
				t.Errorf("unencrypted stream: got %+v, want all of it proven", s)
			}
			if got := err != nil && strings.Contains(err.Error(), w.identity.Recipient().String()); got != test.recipients {
				t.Errorf("error %v, want the recipients in it: %v", err, test.recipients)
			}
		})
	}
}

func TestOneStreamHasToBeChosenWhereSeveralFit(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "crm", file: "crm.sql", data: []byte("a")}, plain{name: "log", file: "log.txt", data: []byte("b")})
	b := w.open(testRef)
	var choice *ChoiceError
	for _, name := range []string{"", "nosuch"} {
		if err := b.ToWriter(t.Context(), name, io.Discard); !errors.As(err, &choice) || len(choice.Streams) != 2 {
			t.Errorf("stream %q: got %v, want a choice of two", name, err)
		}
	}
	var out bytes.Buffer
	if err := b.ToWriter(t.Context(), "log", &out); err != nil || out.String() != "b" {
		t.Errorf("got %q and %v, want the stream named", out.String(), err)
	}
}
