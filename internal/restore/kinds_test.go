package restore

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/stream"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

const testPassphrase = "correct horse battery staple"

// answer gives the passphrase and counts how often it was asked for.
func answer(passphrase string, asked *int) func(string) ([]byte, error) {
	return func(string) ([]byte, error) { *asked++; return []byte(passphrase), nil }
}

// withKey has the world encrypt to a key of gpg that is locked with the passphrase,
// and returns its fingerprints and the file of the secret key.
func (w *world) withKey(g *testenv.GPG, passphrase string) (key []string, path string) {
	w.t.Helper()
	key = g.Key("ed25519", "cv25519", "0", passphrase)
	dir := w.t.TempDir()
	public := filepath.Join(dir, "key.asc")
	os.WriteFile(public, g.Run(nil, "--armor", "--export", key[0]), 0o600)
	keys, err := stream.ReadPublicKeys([]string{public}, time.Now())
	if err == nil {
		w.recipients, err = stream.OpenPGP(keys...)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	path = filepath.Join(dir, "secret.asc")
	os.WriteFile(path, g.Run(nil, "--passphrase", passphrase, "--armor", "--export-secret-keys", key[0]), 0o600)
	return key, path
}

// load gives the world the identities of the file.
func (w *world) load(path string, o IdentityOptions) {
	w.t.Helper()
	var err error
	if w.identities, err = LoadIdentities([]string{path}, o); err != nil {
		w.t.Fatal(err)
	}
}

// allWays restores the backup in every way, from the vault and by signed downloads.
func (w *world) allWays(o Options) {
	w.t.Helper()
	for name, fetcher := range map[string]Fetcher{"direct": w.direct(testRef), "signed": newSite(w).signed(testRef)} {
		open := func() *Backup {
			b, err := Open(w.t.Context(), fetcher, o)
			if err != nil {
				w.t.Fatalf("%s: %v", name, err)
			}
			return b
		}
		var out bytes.Buffer
		if err := open().ToWriter(w.t.Context(), "app", &out); err != nil || !bytes.Equal(out.Bytes(), noise(3<<20)) {
			w.t.Errorf("%s: to a writer: %d bytes, %v", name, out.Len(), err)
		}
		dir := w.t.TempDir()
		if _, err := open().ToDir(w.t.Context(), dir, DirOptions{Streams: []string{"media"}, Paths: []string{"srv/b"}}); err != nil {
			w.t.Errorf("%s: one file: %v", name, err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "media/srv/b")); err != nil || string(got) != "B" {
			w.t.Errorf("%s: one file: %q, %v", name, got, err)
		}
		if v, err := open().Verify(w.t.Context()); err != nil || !v.OK || len(v.Unproven) > 0 || !v.Streams[0].Plain || !v.Streams[1].Plain {
			w.t.Errorf("%s: verify: %+v, %v", name, v, err)
		}
	}
}

func (w *world) twoStreams() holdfast.Manifest {
	return w.backup(testRef,
		plain{name: "app", file: "app.bin", facts: holdfast.Facts{Kind: "command"}, data: noise(3 << 20)},
		tarOf(w.t, "media", reg("srv/a", "A"), reg("srv/b", "B")))
}

func TestOpenPGPBackupsRestoreInEveryWay(t *testing.T) {
	g := testenv.NewGPG(t)
	for name, passphrase := range map[string]string{"an open key": "", "a key with a passphrase": testPassphrase} {
		t.Run(name, func(t *testing.T) {
			w, asked := newWorld(t), 0
			_, path := w.withKey(g, passphrase)
			w.twoStreams()
			w.load(path, IdentityOptions{Passphrase: answer(passphrase, &asked)})
			w.allWays(w.options())
			if want := min(len(passphrase), 1); asked != want {
				t.Errorf("asked %d times, want %d", asked, want)
			}
		})
	}
}

func TestPassphraseBackupsRestoreInEveryWay(t *testing.T) {
	w, asked := newWorld(t), 0
	var err error
	if w.recipients, err = stream.Passphrase(secret.New(testPassphrase)); err != nil {
		t.Fatal(err)
	}
	w.twoStreams()
	w.allWays(Options{Passphrase: answer(testPassphrase, &asked)})
	if asked == 0 {
		t.Error("nobody was asked")
	}
	asked = 0
	b, err := Open(t.Context(), w.direct(testRef), Options{Passphrase: answer(testPassphrase, &asked)})
	if err == nil {
		_, err = b.Verify(t.Context())
	}
	if err != nil || asked != 1 {
		t.Errorf("asked %d times for two streams, want once; %v", asked, err)
	}
	b, err = Open(t.Context(), w.direct(testRef), Options{Passphrase: answer("another passphrase", &asked)})
	if err != nil {
		t.Fatal(err)
	}
	var wrong *IdentityError
	if _, err = b.Verify(t.Context()); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "passphrase") || !strings.Contains(wrong.Hint(), "--passphrase-file") {
		t.Errorf("another passphrase: got %v", err)
	}
	stop := errors.New("no terminal")
	b, err = Open(t.Context(), w.direct(testRef), Options{Passphrase: func(string) ([]byte, error) { return nil, stop }})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.ToWriter(t.Context(), "app", new(bytes.Buffer)); !errors.Is(err, stop) || errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("nobody to ask: got %v, want %v", err, stop)
	}
}

func TestBackupsOfEveryKindAreVerifiedWithoutIdentity(t *testing.T) {
	g := testenv.NewGPG(t)
	for name, recipients := range map[string]func(w *world){
		"openpgp":    func(w *world) { w.withKey(g, "") },
		"passphrase": func(w *world) { w.recipients, _ = stream.Passphrase(secret.New(testPassphrase)) },
	} {
		w := newWorld(t)
		recipients(w)
		w.twoStreams()
		w.identities = stream.Identities{}
		v, err := w.open(testRef).Verify(t.Context())
		if err != nil || !v.OK || !v.Streams[0].Stored || v.Streams[0].Plain || len(v.Unproven) != 2 {
			t.Errorf("%s: got %+v, %v; want the stored bytes proven and the others not", name, v, err)
		}
	}
}

func TestTheKeyThatIsNeededIsNamed(t *testing.T) {
	g := testenv.NewGPG(t)
	w, other := newWorld(t), newWorld(t)
	key, _ := w.withKey(g, "")
	_, path := other.withKey(g, "")
	w.twoStreams()
	for name, load := range map[string]func(){
		"another OpenPGP key": func() { w.load(path, IdentityOptions{}) },
		"an age identity":     func() { w.identities = newWorld(t).identities },
		"none":                func() { w.identities = stream.Identities{} },
	} {
		load()
		var missing *IdentityError
		err := w.open(testRef).ToWriter(t.Context(), "app", new(bytes.Buffer))
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), strings.Join(key, "/")) || !strings.Contains(missing.Hint(), "gpg --export-secret-keys") {
			t.Errorf("%s: got %v, want the fingerprints %v", name, err, key)
		}
	}
}

func TestPastedLinesRestoreWithGPG(t *testing.T) {
	g := testenv.NewGPG(t)
	w := newWorld(t)
	w.withKey(g, "")
	m := w.twoStreams()
	s := newSite(w)
	urls := map[string]string{}
	for _, stream := range m.Streams {
		urls[stream.File] = s.plainURL(testRef.Key(stream.File))
	}
	lines, err := Lines(m, urls)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := paste(t, dir, lines, "GNUPGHOME="+g.Home()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "app.bin")); err != nil || !bytes.Equal(got, noise(3<<20)) {
		t.Errorf("app.bin: got %d bytes and %v", len(got), err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "media/srv/b")); err != nil || string(got) != "B" {
		t.Errorf("media/srv/b: got %q and %v", got, err)
	}
}

func TestAnIdentityThatStaysLockedIsNoCorruption(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "id_ed25519")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", testPassphrase, "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	public, err := os.ReadFile(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	w, asked := newWorld(t), 0
	if w.recipients, err = stream.ParseRecipients([]string{string(public)}); err != nil {
		t.Fatal(err)
	}
	w.twoStreams()
	for name, passphrase := range map[string]func(string) ([]byte, error){"the wrong passphrase": answer("battery", &asked), "nobody to ask": nil} {
		w.load(path, IdentityOptions{Passphrase: passphrase})
		var locked *stream.LockedError
		if err := w.open(testRef).ToWriter(t.Context(), "app", new(bytes.Buffer)); !errors.As(err, &locked) || errors.Is(err, holdfast.ErrCorrupt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	w.load(path, IdentityOptions{Passphrase: answer(testPassphrase, &asked)})
	w.allWays(w.options())
}
