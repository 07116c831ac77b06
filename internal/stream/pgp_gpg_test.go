package stream

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// readKeys is ReadPublicKeys of a file that holds data.
func readKeys(t testing.TB, data []byte, now time.Time) ([]PublicKey, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.asc")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return ReadPublicKeys([]string{path}, now)
}

// toKeys returns the keys of a file as recipients.
func toKeys(t testing.TB, data []byte) Recipients {
	t.Helper()
	keys, err := readKeys(t, data, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r, err := OpenPGP(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func secretKeys(t testing.TB, data []byte, passphrase string) Identities {
	t.Helper()
	keys, err := ParseSecretKeys(data, func(string) ([]byte, error) {
		if passphrase == "" {
			return nil, errors.New("nobody to ask")
		}
		return []byte(passphrase), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return Identities{OpenPGP: []*SecretKeys{keys}}
}

// TestGPGDecrypts holds the promise that a restore needs gpg alone, for every
// kind of key that is taken.
func TestGPGDecrypts(t *testing.T) {
	g := testenv.NewGPG(t)
	plain := sqlLike(3 << 20)
	for _, kind := range []struct{ sign, encrypt string }{
		{"ed25519", "cv25519"}, {"rsa2048", "rsa3072"}, {"nistp256", "nistp384"}, {"brainpoolP256r1", "brainpoolP256r1"},
	} {
		key := g.Key(kind.sign, kind.encrypt, "0", "")
		for _, armor := range []string{"--armor", "--no-armor"} {
			recipients := toKeys(t, g.Run(nil, armor, "--export", key[0]))
			want := holdfast.Encryption{Format: "openpgp", Recipients: []string{strings.Join(key, "/")}}
			if diff := cmp.Diff(want, recipients.Encryption()); diff != "" || want.Check() != nil {
				t.Errorf("%s: want - got +\n%s%v", kind.encrypt, diff, want.Check())
			}
			stored, _ := encode(t, plain, Options{Compression: None, Recipients: recipients})
			got, log, err := g.Try(stored, "--decrypt")
			if err != nil || !bytes.Equal(got, plain) || strings.Contains(log, "WARNING: message") {
				t.Errorf("%s: got %d bytes, want the %d, %v\n%s", kind.encrypt, len(got), len(plain), err, log)
			}
			if out, _, err := g.Try(stored[:len(stored)-1], "--decrypt"); err == nil {
				t.Errorf("%s: gpg takes %d bytes of a message that is cut short", kind.encrypt, len(out))
			}
		}
	}
}

func TestEachOfSeveralKeysDecrypts(t *testing.T) {
	g, other := testenv.NewGPG(t), testenv.NewGPG(t)
	a, b := g.Key("ed25519", "cv25519", "0", ""), other.Key("rsa2048", "rsa2048", "1y", "")
	exported := g.Run(nil, "--armor", "--export", a[0])
	public := testenv.NewGPG(t)
	public.Run(exported, "--import")
	public.Run(other.Run(nil, "--export", b[0]), "--import")
	for name, both := range map[string][]byte{
		"one block behind the other": slices.Concat(exported, []byte("\n"), other.Run(nil, "--armor", "--export", b[0])),
		"all in one":                 public.Run(nil, "--armor", "--export"),
		"one of them twice":          slices.Concat(exported, exported, other.Run(nil, "--armor", "--export", b[0])),
	} {
		recipients := toKeys(t, both)
		names := recipients.Names()
		slices.Sort(names)
		want := []string{strings.Join(a, "/"), strings.Join(b, "/")}
		slices.Sort(want)
		if diff := cmp.Diff(want, names); diff != "" {
			t.Fatalf("%s: want - got +\n%s", name, diff)
		}
		stored, s := encode(t, []byte("plain"), Options{Compression: Zstd, Recipients: recipients})
		for _, keyring := range []*testenv.GPG{g, other} {
			if _, log, err := keyring.Try(stored, "--decrypt"); err != nil {
				t.Errorf("%s: %v\n%s", name, err, log)
			}
		}
		for _, secret := range [][]byte{g.Run(nil, "--export-secret-keys", a[0]), other.Run(nil, "--export-secret-keys", b[0])} {
			if got, err := decodeWith(bytes.NewReader(stored), s, secretKeys(t, secret, "")); err != nil || string(got) != "plain" {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
	}
}

func TestWhatGPGEncryptsIsDecrypted(t *testing.T) {
	g := testenv.NewGPG(t)
	ed := g.Key("ed25519", "cv25519", "0", "correct horse")
	rsa := g.Key("rsa2048", "rsa2048", "0", "correct horse")
	open := g.Key("ed25519", "cv25519", "0", "")
	export := func(what string, key []string) []byte {
		return g.Run(nil, "--passphrase", "correct horse", "--armor", what, key[0])
	}
	encrypt := func(plain []byte, args ...string) ([]byte, holdfast.Stream) {
		args = append([]string{"--trust-model", "always", "-r", ed[0], "-r", rsa[0], "-r", open[0]}, args...)
		stored := g.Run(plain, append(args, "--encrypt")...)
		return stored, holdfast.Stream{
			Name: "db", Compression: None, PlainSize: int64(len(plain)), PlainSHA256: sum(plain),
			StoredSize: int64(len(stored)), StoredSHA256: sum(stored),
			Encryption: holdfast.Encryption{Format: "openpgp", Recipients: []string{strings.Join(ed, "/"), strings.Join(rsa, "/"), strings.Join(open, "/")}},
		}
	}
	identities := map[string]Identities{
		"cv25519":                              secretKeys(t, export("--export-secret-keys", ed), "correct horse"),
		"RSA":                                  secretKeys(t, export("--export-secret-keys", rsa), "correct horse"),
		"a key whose primary one is elsewhere": secretKeys(t, export("--export-secret-subkeys", ed), "correct horse"),
	}
	for _, size := range []int{1, 100, 191, 192, 8383, 8384, 70_000, 5<<20 + 1} {
		plain := randomBytes(size)
		stored, s := encrypt(plain, "--compress-algo", "none")
		for name, ids := range identities {
			if got, err := decodeWith(bytes.NewReader(stored), s, ids); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%s, %d bytes: got %d, %v", name, size, len(got), err)
			}
		}
	}
	secret := export("--export-secret-keys", ed)
	stored, s := encrypt([]byte(strings.Repeat("plain", 100)))
	if _, err := decodeWith(bytes.NewReader(stored), s, secretKeys(t, secret, "correct horse")); !errors.Is(err, holdfast.ErrCorrupt) || !strings.Contains(err.Error(), "compressed inside") {
		t.Errorf("compressed by gpg: got %v", err)
	}
	stored, s = encrypt([]byte("plain"), "--compress-algo", "none")
	var locked *LockedError
	for name, passphrase := range map[string]string{"the wrong passphrase": "battery staple", "nobody to ask": ""} {
		_, err := decodeWith(bytes.NewReader(stored), s, secretKeys(t, secret, passphrase))
		if !errors.As(err, &locked) || errors.Is(err, holdfast.ErrCorrupt) || !strings.Contains(err.Error(), "passphrase") && !strings.Contains(err.Error(), "nobody") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// One that is not locked is tried before anybody is asked.
	both := Identities{OpenPGP: append(secretKeys(t, secret, "").OpenPGP, secretKeys(t, export("--export-secret-keys", open), "").OpenPGP...)}
	if _, err := decodeWith(bytes.NewReader(stored), s, both); err != nil {
		t.Errorf("a locked and an open key: got %v", err)
	}
}

// Who restores knows the passphrase of one of two locked keys, whichever it is, and is
// asked for each but once, though the first has two envelopes.
func TestOneOfTwoLockedKeysIsEnough(t *testing.T) {
	g := testenv.NewGPG(t)
	passphrases := []string{"correct horse", "battery staple"}
	var public, secret []byte
	var keys [][]string
	for _, passphrase := range passphrases {
		key := g.Key("ed25519", "cv25519", "0", passphrase)
		keys = append(keys, key)
		public = append(public, g.Run(nil, "--export", key[0])...)
		secret = append(secret, g.Run(nil, "--batch", "--pinentry-mode", "loopback", "--passphrase", passphrase, "--export-secret-keys", key[0])...)
	}
	recipients, err := readKeys(t, public, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	to := toKeys(t, public)
	to.seal = func(w io.Writer) (io.WriteCloser, error) {
		return sealMessage(w, []*packet.PublicKey{recipients[0].to, recipients[1].to, recipients[0].to})
	}
	stored, s := encode(t, []byte("plain"), Options{Compression: Zstd, Recipients: to})
	open := func(passphrase string) (asked []string, err error) {
		ids, err := ParseSecretKeys(secret, func(what string) ([]byte, error) {
			asked = append(asked, what)
			return []byte(passphrase), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = decodeWith(bytes.NewReader(stored), s, Identities{OpenPGP: []*SecretKeys{ids}})
		return asked, err
	}
	for _, passphrase := range passphrases {
		if asked, err := open(passphrase); err != nil {
			t.Errorf("with %q: %v; asked for %q", passphrase, err, asked)
		}
	}
	asked, err := open("neither")
	var locked *LockedError
	if !errors.As(err, &locked) || !strings.Contains(err.Error(), keys[0][1]+": wrong passphrase") {
		t.Errorf("with neither: got %v, want the first key's", err)
	}
	if len(asked) != 2 {
		t.Errorf("with neither: asked for %q", asked)
	}
}
