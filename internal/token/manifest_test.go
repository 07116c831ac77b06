package token

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

func testManifest() holdfast.Manifest {
	id := holdfast.ID("20251028T120000Z-9f3c2a7d")
	return holdfast.Manifest{
		Format:  holdfast.ManifestFormat,
		Ref:     holdfast.Ref{Host: "web1", Job: "crm", ID: id},
		Started: id.Time(), HostStarted: noon, HostFinished: noon, Pusher: "0.1.0",
		Streams: []holdfast.Stream{{
			Name: "crm", File: "crm.sql.zst.age", PlainFile: "crm.sql",
			Source:    holdfast.Facts{Kind: "postgres", Warnings: []string{`a "quoted" <warning> & more`}},
			PlainSize: 30, PlainSHA256: strings.Repeat("a", 64), StoredSize: 20, StoredSHA256: strings.Repeat("b", 64),
			Compression: "zstd", Encryption: holdfast.Encryption{Format: "age", Recipients: []string{"age1x"}},
			Checksum: holdfast.ChecksumSHA256, Parts: []holdfast.Part{{Number: 1, Size: 20, Sum: strings.Repeat("c", 64)}},
		}},
		Restore: []string{"age -d -i key crm.sql.zst.age | zstd -d > crm.sql"},
	}
}

func signManifest(t testing.TB, key string, m holdfast.Manifest) []byte {
	t.Helper()
	doc, err := SignManifest(seededKey(key), m)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestManifestOpensWithTheHostsKeys(t *testing.T) {
	want := testManifest()
	doc := signManifest(t, "web1", want)
	for name, keys := range map[string][]ed25519.PublicKey{
		"the key":         {public(seededKey("web1"))},
		"a retired key":   {public(seededKey("newer")), public(seededKey("web1"))},
		"a broken key by": {nil, public(seededKey("web1"))},
	} {
		got, err := OpenManifest(doc, keys...)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	got, err := ReadManifest(doc)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("unverified: %v %s", err, diff)
	}
}

func TestManifestDocumentIsJSONThatPeopleCanReadAndPaste(t *testing.T) {
	doc := signManifest(t, "web1", testManifest())
	var envelope struct {
		Manifest  json.RawMessage `json:"manifest"`
		Signature string          `json:"signature"`
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&envelope); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n    \"format\": 1,\n", "| zstd -d > crm.sql", "<warning> & more"} {
		if !strings.Contains(string(doc), want) {
			t.Errorf("document lacks %q:\n%s", want, doc)
		}
	}
	if !bytes.HasSuffix(doc, []byte("}\n")) {
		t.Error("document does not end with a line end")
	}
	// Anyone can verify it, by RFC 7515 alone.
	header, signature, _ := strings.Cut(envelope.Signature, "..")
	sig, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	input := header + "." + base64.RawURLEncoding.EncodeToString(envelope.Manifest)
	if !ed25519.Verify(public(seededKey("web1")), []byte(input), sig) {
		t.Error("signature is not over the bytes of the manifest as they lie in the file")
	}
}

func TestAlteredManifestIsCorrupt(t *testing.T) {
	good := string(signManifest(t, "web1", testManifest()))
	other := testManifest()
	other.Streams[0].PlainSize++
	otherDoc := string(signManifest(t, "web1", other))
	signatureOf := func(doc string) string { return doc[strings.LastIndex(doc, `"signature"`):] }
	header, _, _ := strings.Cut(strings.TrimPrefix(signatureOf(good), `"signature": "`), "..")
	host := seededKey("web1")
	kid := holdfast.KeyID(public(host))
	body := []byte(strings.TrimSuffix(strings.TrimPrefix(good, beforeManifest), beforeSignature[:4]+signatureOf(good)))
	resigned := func(header string) string {
		h := base64.RawURLEncoding.EncodeToString([]byte(header))
		sig := ed25519.Sign(host, []byte(signingInput(h, body)))
		return beforeManifest + string(body) + beforeSignature + h + ".." + base64.RawURLEncoding.EncodeToString(sig) + afterSignature
	}
	if _, err := OpenManifest([]byte(resigned(`{"alg":"EdDSA","kid":"`+kid+`","typ":"`+manifestType+`"}`)), public(host)); err != nil {
		t.Fatalf("the document that cases alter: %v", err)
	}
	cases := map[string]string{
		"empty":                         "",
		"the manifest alone":            string(body),
		"one digit":                     strings.Replace(good, `"plain_size": 30`, `"plain_size": 31`, 1),
		"one space":                     strings.Replace(good, `"plain_size": 30`, `"plain_size":  30`, 1),
		"a space before the manifest":   strings.Replace(good, `"manifest": `, `"manifest":  `, 1),
		"signature of another manifest": strings.Replace(good, signatureOf(good), signatureOf(otherDoc), 1),
		"signature gone":                strings.Replace(good, signatureOf(good), "\"signature\": \"\"\n}\n", 1),
		"signature without header":      strings.Replace(good, header+"..", "..", 1),
		"signature not detached":        strings.Replace(good, header+"..", header+".e30.", 1),
		"a line end in the signature":   strings.Replace(good, header+"..", header+"..\n", 1),
		"an unknown field":              strings.Replace(good, "\n  \"signature\"", "\n  \"more\": 1,\n  \"signature\"", 1),
		"a second manifest":             strings.Replace(good, "\n  \"signature\"", "\n  \"manifest\": {},\n  \"signature\"", 1),
		"a second signature":            strings.Replace(good, "\n  \"signature\"", "\n  \"signature\": \"\",\n  \"signature\"", 1),
		"something after":               good + "{}",
		"a line end after":              good + "\n",
		"something before":              " " + good,
		"cut":                           good[:len(good)-1],
		"other line ends":               strings.ReplaceAll(good, "\n", "\r\n"),
		"header with a field more":      resigned(`{"alg":"EdDSA","kid":"` + kid + `","typ":"` + manifestType + `","b64":false}`),
		"header of a request":           resigned(`{"alg":"EdDSA","kid":"` + kid + `","typ":"` + requestType + `"}`),
		"header without type":           resigned(`{"alg":"EdDSA","kid":"` + kid + `"}`),
		"header with alg none":          resigned(`{"alg":"none","kid":"` + kid + `","typ":"` + manifestType + `"}`),
		"another's signature":           string(signManifest(t, "db1", testManifest())),
	}
	for name, doc := range cases {
		t.Run(name, func(t *testing.T) {
			if got, err := OpenManifest([]byte(doc), public(host)); !errors.Is(err, holdfast.ErrCorrupt) {
				t.Errorf("got %+v, %v, want ErrCorrupt", got, err)
			}
		})
	}
	if _, err := OpenManifest([]byte(good)); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("no keys: got %v, want ErrCorrupt", err)
	}
}

func TestManifestThatIsNotWholeIsNotSigned(t *testing.T) {
	m := testManifest()
	m.Streams[0].PlainSize = 0
	if _, err := SignManifest(seededKey("web1"), m); err == nil {
		t.Error("an empty stream was signed")
	}
	m = testManifest()
	m.Restore = []string{strings.Repeat("x", holdfast.MaxManifestSize)}
	if _, err := SignManifest(seededKey("web1"), m); err == nil {
		t.Error("a manifest above its limit was signed")
	}
	if _, err := SignManifest(nil, testManifest()); err == nil {
		t.Error("a manifest was signed without a key")
	}
}

func FuzzManifestDocument(f *testing.F) {
	good := signManifest(f, "web1", testManifest())
	f.Add(good)
	f.Add([]byte(beforeManifest + "{}" + beforeSignature + ".." + afterSignature))
	f.Add([]byte(beforeManifest + beforeSignature + afterSignature))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if _, err := OpenManifest(doc, public(seededKey("web1"))); err == nil && !bytes.Equal(doc, good) {
			t.Errorf("opened %q", doc)
		}
		m, err := ReadManifest(doc)
		if err != nil {
			return
		}
		if err := m.Check(); err != nil {
			t.Errorf("read a manifest that fails its check: %v", err)
		}
	})
}
