package testenv

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// GPG is a keyring of the real gpg, with an agent of its own.
type GPG struct {
	t    testing.TB
	home string
}

// NewGPG returns a keyring without keys, which is gone when the test ends.
func NewGPG(t testing.TB) *GPG {
	t.Helper()
	LookPath(t, "gnupg", "gpg")
	// Not t.TempDir(): the path of the agent's socket has to be short.
	home, err := os.MkdirTemp("", "gpg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop := exec.Command("gpgconf", "--homedir", home, "--kill", "all")
		if out, err := stop.CombinedOutput(); err != nil {
			t.Errorf("stop gpg-agent: %v: %s", err, out)
		}
		os.RemoveAll(home)
	})
	return &GPG{t, home}
}

// Home returns the keyring's directory, as GNUPGHOME has it.
func (g *GPG) Home() string { return g.home }

// Try runs gpg and returns its output. Passphrases are read from arguments, never
// from a person.
func (g *GPG) Try(stdin []byte, args ...string) (stdout []byte, stderr string, err error) {
	cmd := exec.CommandContext(g.t.Context(), "gpg", append([]string{"--homedir", g.home, "--batch", "--yes", "--pinentry-mode", "loopback"}, args...)...)
	var out, log bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &log
	err = cmd.Run()
	return out.Bytes(), log.String(), err
}

// Run is Try where nothing may go wrong.
func (g *GPG) Run(stdin []byte, args ...string) []byte {
	g.t.Helper()
	out, log, err := g.Try(stdin, args...)
	if err != nil {
		g.t.Fatalf("gpg %q: %v\n%s", args, err, log)
	}
	return out
}

// Key makes a key locked with the passphrase, "" for not locked, that signs with
// one algorithm and has a subkey of another to encrypt, "" for none, until they
// expire (1y, 0 for never). It returns the fingerprints, that of the subkey last.
func (g *GPG) Key(sign, encrypt, expire, passphrase string) []string {
	g.t.Helper()
	user := fmt.Sprintf("host %s <web1@example.com>", freshName())
	g.Run(nil, "--passphrase", passphrase, "--quick-generate-key", user, sign, "cert", expire)
	key := g.fingerprints("=" + user)
	if encrypt == "" {
		return key
	}
	g.Run(nil, "--passphrase", passphrase, "--quick-add-key", key[0], encrypt, "encr", expire)
	return g.fingerprints(key[0])
}

var fingerprintLine = regexp.MustCompile(`(?m)^fpr:.*:([0-9A-F]{40}):$`)

func (g *GPG) fingerprints(key string) []string {
	g.t.Helper()
	var all []string
	for _, line := range fingerprintLine.FindAllStringSubmatch(string(g.Run(nil, "--with-colons", "--list-keys", key)), -1) {
		all = append(all, line[1])
	}
	return all
}

// Revocation returns what revokes a key, once it is imported.
func (g *GPG) Revocation(key string) []byte {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join(g.home, "openpgp-revocs.d", key+".rev"))
	if err != nil {
		g.t.Fatal(err)
	}
	return bytes.ReplaceAll(text, []byte("\n:-----BEGIN"), []byte("\n-----BEGIN")) // the colon is against accidents
}

// Edit answers gpg's questions about a key, one line each.
func (g *GPG) Edit(key string, answers ...string) {
	g.t.Helper()
	cmd := exec.CommandContext(g.t.Context(), "gpg", "--homedir", g.home, "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "", "--command-fd", "0", "--edit-key", key)
	cmd.Stdin = strings.NewReader(strings.Join(answers, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		g.t.Fatalf("gpg --edit-key: %v\n%s", err, out)
	}
}
