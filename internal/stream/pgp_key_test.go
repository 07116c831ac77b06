package stream

import (
	"bytes"
	"crypto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// made returns a key of the library's own making and its public half.
func made(t testing.TB, config packet.Config) (*openpgp.Entity, []byte) {
	t.Helper()
	config.DefaultHash = crypto.SHA256
	e, err := openpgp.NewEntity("host web1", "", "web1@example.com", &config)
	if err != nil {
		t.Fatal(err)
	}
	var public bytes.Buffer
	if err := e.Serialize(&public); err != nil {
		t.Fatal(err)
	}
	return e, public.Bytes()
}

func armored(t testing.TB, blockType string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, blockType, nil)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestKeysThatCannotBeEncryptedToAreRefused(t *testing.T) {
	g := testenv.NewGPG(t)
	key := func(encrypt, expire string) []string { return g.Key("ed25519", encrypt, expire, "") }
	export := func(key []string) []byte { return g.Run(nil, "--armor", "--export", key[0]) }
	good := key("cv25519", "0")
	year := key("cv25519", "1y")
	late := key("cv25519", "0")
	g.Run(nil, "--quick-set-expire", late[0], "1y", "*")
	gone := key("cv25519", "0")
	g.Run(g.Revocation(gone[0]), "--import")
	subkeyGone := key("cv25519", "0")
	g.Edit(subkeyGone[0], "key 1", "revkey", "y", "0", "", "y", "save")
	weak := g.Key("rsa2048", "rsa1024", "0", "")
	_, v6 := made(t, packet.Config{V6Keys: true, Algorithm: packet.PubKeyAlgoEd25519})
	_, new4 := made(t, packet.Config{Algorithm: packet.PubKeyAlgoEd25519})
	secret := g.Run(nil, "--armor", "--export-secret-keys", good[0])
	now := time.Now()

	for _, tt := range []struct {
		name string
		data []byte
		at   time.Time
		want string
	}{
		{"a private key", secret, now, "private key"},
		{"a private key without armor", g.Run(nil, "--export-secret-keys", good[0]), now, "private key"},
		{"a private key behind a public one", append(export(good), secret...), now, "private key"},
		{"a key without a subkey that encrypts", export(key("", "0")), now, "no subkey that encrypts"},
		{"a key that has expired", export(year), now.AddDate(2, 0, 0), year[0] + ": has expired"},
		{"a subkey that has expired", export(late), now.AddDate(2, 0, 0), late[0] + ": the subkey that encrypts has expired"},
		{"a key that is not made yet", export(good), now.AddDate(0, 0, -1), "this host's clock"},
		{"a key that is revoked", export(gone), now, gone[0] + ": is revoked"},
		{"a subkey that is revoked", export(subkeyGone), now, subkeyGone[0] + ": the subkey that encrypts is revoked"},
		{"a good key and a revoked one", append(export(good), export(gone)...), now, "is revoked"},
		{"a key that is too weak", export(weak), now, "too weak"},
		{"a key that gpg does not know", armored(t, openpgp.PublicKeyType, v6), now, "gpg"},
		{"a way to encrypt that gpg does not know", new4, now, "gpg 2.2 cannot read"},
		{"half a key", g.Run(nil, "--export", good[0])[:100], now, "damaged"},
		{"a message", armored(t, "PGP MESSAGE", []byte("plain")), now, "no OpenPGP key"},
		{"an age recipient", []byte(identity(t).Recipient().String()), now, "no OpenPGP key"},
		{"nothing", nil, now, "no OpenPGP key"},
		{"far too much", make([]byte, maxKeyFile+1), now, "larger"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := readKeys(t, tt.data, tt.at)
			if err == nil {
				t.Fatalf("got %+v", keys)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
			for _, word := range []string{"example.com", "host ", "BEGIN"} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("the error quotes %q: %v", word, err)
				}
			}
		})
	}
	if _, err := readKeys(t, export(good), now); err != nil {
		t.Errorf("a good key: %v", err)
	}
	if _, err := ReadPublicKeys([]string{filepath.Join(t.TempDir(), "none")}, now); !os.IsNotExist(cause(err)) {
		t.Errorf("a file that is not there: got %v", err)
	}
	if _, err := OpenPGP(); err == nil {
		t.Error("no keys at all: no error")
	}
}

// cause returns the innermost error.
func cause(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok || u.Unwrap() == nil {
			return err
		}
		if _, ok := err.(*os.PathError); ok {
			return err
		}
		err = u.Unwrap()
	}
}

func TestWhenAKeyExpiresIsKnown(t *testing.T) {
	g := testenv.NewGPG(t)
	forever, year, subkey := g.Key("ed25519", "cv25519", "0", ""), g.Key("ed25519", "cv25519", "1y", ""), g.Key("ed25519", "cv25519", "0", "")
	g.Run(nil, "--quick-set-expire", subkey[0], "40d", "*")
	extended := g.Key("ed25519", "cv25519", "10d", "")
	g.Run(nil, "--quick-set-expire", extended[0], "100d")
	g.Run(nil, "--quick-set-expire", extended[0], "90d", "*")
	for _, tt := range []struct {
		name string
		key  []string
		days float64 // 0 is never
	}{
		{"never", forever, 0}, {"the key", year, 365}, {"the subkey alone", subkey, 40}, {"extended, the subkey first", extended, 90},
	} {
		keys, err := readKeys(t, g.Run(nil, "--export", tt.key[0]), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Until(keys[0].Expires).Hours() / 24; keys[0].Expires.IsZero() != (tt.days == 0) || tt.days > 0 && (got < tt.days-1 || got > tt.days+1) {
			t.Errorf("%s: expires %v, want after %v days", tt.name, keys[0].Expires, tt.days)
		}
	}
}

func TestSecretKeysThatAreNone(t *testing.T) {
	g := testenv.NewGPG(t)
	key, signs := g.Key("ed25519", "cv25519", "0", ""), g.Key("ed25519", "", "0", "")
	secret := g.Run(nil, "--export-secret-keys", key[0])
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"a public key", g.Run(nil, "--armor", "--export", key[0]), "public key"},
		{"a public key without armor", g.Run(nil, "--export", key[0]), "public key"},
		{"a key that only signs", g.Run(nil, "--armor", "--export-secret-keys", signs[0]), "no OpenPGP key that decrypts"},
		{"half a key", secret[:60], "damaged"},
		{"a message", armored(t, "PGP MESSAGE", []byte("plain")), "no OpenPGP key"},
		{"armor with a mistake", []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n!!!!\n-----END PGP PRIVATE KEY BLOCK-----\n"), "armor"},
	} {
		if _, err := ParseSecretKeys(tt.data, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", tt.name, err, tt.want)
		}
	}
}
