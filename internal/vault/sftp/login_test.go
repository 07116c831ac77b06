package sftp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/sshca"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// key returns a fresh private key and the line of its public half.
func key(t testing.TB, passphrase string) (private, public string) {
	t.Helper()
	private, public, err := testenv.NewSSHKey(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// use makes one call that needs the server.
func use(t testing.TB, o Options) error {
	t.Helper()
	v, err := New(o)
	if err != nil {
		return err
	}
	defer v.Close()
	return firstError(v.List(t.Context(), ""))
}

func TestWhatIsWrongWithTheConnectionIsToldApart(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	stranger, otherKey := key(t, "")
	_, ecdsaLine := ecdsaKey(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	for name, c := range map[string]struct {
		change func(o *Options)
		want   error
	}{
		"all is well":                   {func(*Options) {}, nil},
		"the public key is pinned":      {func(o *Options) { o.HostKeys = []string{s.HostKey} }, nil},
		"several are pinned":            {func(o *Options) { o.HostKeys = []string{otherKey, s.HostKey} }, nil},
		"a key that is refused":         {func(o *Options) { o.Key = secret.New(stranger) }, ErrRefused},
		"a user that there is not":      {func(o *Options) { o.User = "nobody-else" }, ErrRefused},
		"another fingerprint":           {func(o *Options) { o.HostKeys = []string{"SHA256:" + strings.Repeat("A", 43)} }, ErrHostKey},
		"another public key":            {func(o *Options) { o.HostKeys = []string{otherKey} }, ErrHostKey},
		"a key of another kind":         {func(o *Options) { o.HostKeys = []string{ecdsaLine} }, ErrHostKey},
		"nobody listens":                {func(o *Options) { o.Port = free.Addr().(*net.TCPAddr).Port }, ErrUnreachable},
		"a directory that there is not": {func(o *Options) { o.Path, o.Create = "/backup/none", false }, ErrNoDirectory},
		"a file for a directory":        {func(o *Options) { o.Path = "/backup/file" }, ErrNoDirectory},
		"a directory out of reach":      {func(o *Options) { o.Path = "/elsewhere" }, ErrDenied},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(s.Dir, "file"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			o := options(s)
			o.GiveUp = time.Millisecond
			c.change(&o)
			err := use(t, o)
			if !errors.Is(err, c.want) {
				t.Fatalf("got error %v, want %v", err, c.want)
			}
			for _, other := range []error{ErrHostKey, ErrRefused, ErrUnreachable, ErrNoDirectory, ErrDenied} {
				if other != c.want && errors.Is(err, other) {
					t.Errorf("%v is %v too", err, other)
				}
			}
			if err != nil && !strings.Contains(err.Error(), s.Host) {
				t.Errorf("%v does not name the server", err)
			}
		})
	}
}

func ecdsaKey(t *testing.T) (*ecdsa.PrivateKey, string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return private, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

func TestKnownHosts(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	addr := knownhosts.Normalize(s.Addr())
	_, other := key(t, "")
	for name, c := range map[string]struct {
		text  string
		want  error // of the connection
		early bool  // New says it already
	}{
		"the server's":      {addr + " " + s.HostKey, nil, false},
		"hashed":            {knownhosts.HashHostname(addr) + " " + s.HostKey, nil, false},
		"another's":         {addr + " " + other, ErrHostKey, false},
		"revoked":           {addr + " " + other + "\n@revoked " + addr + " " + s.HostKey, ErrHostKey, false},
		"of another server": {"other.example.com " + s.HostKey, nil, true},
		"of the usual port": {s.Host + " " + s.HostKey, nil, true},
		"nothing":           {"", nil, true},
		"nonsense":          {"x", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(s)
			o.HostKeys, o.KnownHosts = nil, filepath.Join(t.TempDir(), "known_hosts")
			if err := os.WriteFile(o.KnownHosts, []byte(c.text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			v, err := New(o)
			if (err != nil) != c.early {
				t.Fatalf("new: got error %v, want one: %v", err, c.early)
			}
			if err != nil {
				return
			}
			defer v.Close()
			if err := firstError(v.List(t.Context(), "")); !errors.Is(err, c.want) {
				t.Errorf("got error %v, want %v", err, c.want)
			}
		})
	}
}

func TestKeysWithPassphrases(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	locked, public := key(t, "open sesame")
	s.Authorize(t, public)
	for name, c := range map[string]struct {
		key, passphrase string
		want            string // in the error
	}{
		"the right one":        {locked, "open sesame", ""},
		"another one":          {locked, "open barley", "passphrase is another one"},
		"none":                 {locked, "", "has a passphrase, and none is given"},
		"one that is not used": {s.Key, "open sesame", ""},
		"no key":               {"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----", "", "no private key"},
		"a public key":         {public, "", "no private key"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(s)
			o.Key, o.Passphrase = secret.New(c.key), secret.New(c.passphrase)
			err := use(t, o)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("got error %v, want %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), "barley") || strings.Contains(err.Error(), "b3Bl")) {
				t.Errorf("%v has a secret in it", err)
			}
		})
	}
}

func TestWithoutAHostKeyThereIsNoVault(t *testing.T) {
	private, _ := key(t, "")
	for name, keys := range map[string][]string{"none": nil, "nonsense": {"x"}, "an old kind": {"ssh-dss AAAA"}} {
		if v, err := New(Options{Host: "nas.example.com", User: "web1", Key: secret.New(private), HostKeys: keys}); err == nil {
			v.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

func TestACertificateIsGotForEachConnection(t *testing.T) {
	authority, _ := key(t, "")
	ca, err := sshca.New(secret.New(authority), sshca.Options{Principal: "nobody", Command: "internal-sftp"})
	if err != nil {
		t.Fatal(err)
	}
	s := testenv.StartSSHD(t, testenv.SSHDOptions{CA: ca.PublicKey()})
	o, proxy := behind(t, s)
	private, _ := key(t, "") // which the server does not know
	o.Key = secret.New(private)
	calls := 0
	o.Certify = func(_ context.Context, public string) (string, error) {
		calls++
		line, _, err := ca.Sign("web1", public, nil, time.Now())
		return line, err
	}
	v := open(t, o)
	for want := 1; want <= 2; want++ {
		if err := v.Put(t.Context(), "backups/object", []byte("a body")); err != nil {
			t.Fatal(err)
		}
		if calls != want {
			t.Errorf("got %d certificates for %d connections", calls, want)
		}
		proxy.Cut()
	}
	_, other := key(t, "")
	for name, certify := range map[string]func(context.Context, string) (string, error){
		"none":            func(context.Context, string) (string, error) { return "", errors.New("no") },
		"a plain key":     func(_ context.Context, public string) (string, error) { return public, nil },
		"of another key":  func(ctx context.Context, _ string) (string, error) { return o.Certify(ctx, other) },
		"that is no line": func(context.Context, string) (string, error) { return "x", nil },
	} {
		bad := o
		bad.Certify = certify
		if err := use(t, bad); err == nil || errors.Is(err, ErrUnreachable) {
			t.Errorf("a certificate %s: got error %v", name, err)
		}
	}
}
