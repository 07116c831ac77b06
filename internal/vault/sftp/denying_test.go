package sftp

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pkgsftp "github.com/pkg/sftp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/conform"
	"github.com/holdfast-backup/holdfast/internal/vault/disk"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// swept is a vault on a server that forbids to remove, with somebody beside it who
// may.
type swept struct {
	*Vault
	sweep *Vault
}

func (s swept) Delete(ctx context.Context, key string) error { return s.sweep.Delete(ctx, key) }

// notInPlace are the promises that can't be kept where uploads are written in place,
// each with why.
func notInPlace() map[string]string {
	const visible, one, cut = "an upload is visible while it grows", "a key has one upload", "a file can't be cut to size"
	return map[string]string{
		"upload-invisible": visible, "upload-list": visible, "abort": visible, "context": visible,
		"complete-missing": visible, "complete-differs": visible, "complete-size": visible,
		"receive-other": visible, "receive-broken": visible,
		"complete-taken": one, "complete-concurrent": one,
		"part-replaced": cut, "receive-replaced": cut,
	}
}

func TestConformanceWhereNothingCanBeRenamedOrRemoved(t *testing.T) {
	denying := testenv.StartSSHD(t, testenv.SSHDOptions{Deny: testenv.DenyAll()})
	v := open(t, options(denying))
	sweep := open(t, options(testenv.StartSSHD(t, testenv.SSHDOptions{Beside: denying})))
	for _, r := range conform.Run(t.Context(), conform.NewEnv(swept{v, sweep}, http.DefaultClient)) {
		why, cannot := notInPlace()[r.Name]
		switch {
		case cannot && (r.Err == nil || r.Skipped()):
			t.Errorf("%s: got %v, want a failure: %s", r.Name, r.Err, why)
		case cannot:
		case r.Skipped() && slices.Contains(unsigned(), r.Name):
		case r.Err != nil:
			t.Errorf("%s: %v", r.Name, r.Err)
		}
	}
	nothingLeft(t, v)
	nothingBut(t, denying, ".tmp/probe")
}

// overwrites tries to write other bytes into what is there, by whatever name.
func overwrites(t *testing.T, v *Vault, key string) error {
	t.Helper()
	_, err := do(t.Context(), v, func(o op) (none struct{}, err error) {
		_ = o.chmod(key, 0o600)
		if f, err := o.open(key, os.O_RDONLY); err == nil {
			_ = o.call(func(*pkgsftp.Client) error { return f.Chmod(0o600) })
			_ = o.close(f)
		}
		f, err := o.open(key, os.O_WRONLY|os.O_TRUNC)
		if err != nil {
			return none, err
		}
		return none, o.fill(f, []byte("spoilt"))
	})
	return err
}

// What the documentation says of such a server: it keeps nobody from changing bytes,
// until they are somebody else's.
func TestAServerThatLetsModesBeChangedLetsFilesBeOverwritten(t *testing.T) {
	for _, allowed := range []string{"setstat", "fsetstat"} {
		deny := slices.DeleteFunc(testenv.DenyAll(), func(request string) bool { return request == allowed })
		s := testenv.StartSSHD(t, testenv.SSHDOptions{Deny: deny})
		v := open(t, options(s))
		if err := v.Put(t.Context(), "backups/manifest.json", []byte("a body")); err != nil {
			t.Fatal(err)
		}
		if err := overwrites(t, v, "backups/manifest.json"); err != nil {
			t.Fatalf("it does not: %v; say so in docs/sftp.md", err)
		}
		sameBytes(t, v, "backups/manifest.json", []byte("spoilt"))
		// Nor once it is somebody else's, which is what the documentation advises.
		if err := os.Chown(filepath.Join(s.Dir, "backups", "manifest.json"), 0, 0); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{overwrites(t, v, "backups/manifest.json"), v.Delete(t.Context(), "backups/manifest.json")} {
			if !errors.Is(err, ErrDenied) {
				t.Errorf("once it is root's: got error %v, want %v", err, ErrDenied)
			}
		}
		// And the vault goes on working, with all that was made before taken away.
		if err := os.Chown(filepath.Join(s.Dir, layout.TempPath("probe")), 0, 0); err != nil {
			t.Fatal(err)
		}
		if err := open(t, options(s)).Put(t.Context(), "backups/other", []byte("a body")); err != nil {
			t.Error(err)
		}
	}
}

func TestAServerThatLetsNothingBeTakenBackKeepsWhatItHas(t *testing.T) {
	v := open(t, options(testenv.StartSSHD(t, testenv.SSHDOptions{Deny: testenv.DenyAll()})))
	body := random(9 << 20)
	parts := split(body)
	u := start(t, v, "backups/data")
	for i, p := range parts {
		at := holdfast.PartOffset(i+1, holdfast.MaxParts)
		if err := v.SendPart(t.Context(), u, p, bytes.NewReader(body[at:at+p.Size])); err != nil {
			t.Fatal(err)
		}
		if err := overwrites(t, v, "backups/data"); !errors.Is(err, ErrDenied) {
			t.Fatalf("overwrite while it grows: got error %v, want %v", err, ErrDenied)
		}
	}
	if err := v.CompleteUpload(t.Context(), u, parts, int64(len(body))); err != nil {
		t.Fatal(err)
	}
	if err := v.Put(t.Context(), "backups/manifest.json", []byte("a body")); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string][]byte{"backups/data": body, "backups/manifest.json": []byte("a body")} {
		if err := overwrites(t, v, key); !errors.Is(err, ErrDenied) {
			t.Errorf("overwrite %s: got error %v, want %v", key, err, ErrDenied)
		}
		if err := v.Delete(t.Context(), key); !errors.Is(err, ErrDenied) {
			t.Errorf("delete %s: got error %v, want %v", key, err, ErrDenied)
		}
		// Nor is it hidden by a mark.
		if _, err := do(t.Context(), v, func(o op) (none struct{}, err error) { return none, o.ensureDir(layout.BegunMark(key)) }); err != nil {
			t.Fatal(err)
		}
		sameBytes(t, v, key, want)
	}
}

func TestAnUploadWhoseConnectionIsLostWhereNoFileIsOpenedAgain(t *testing.T) {
	v := open(t, options(testenv.StartSSHD(t, testenv.SSHDOptions{Deny: testenv.DenyAll()})))
	body := random(9 << 20)
	parts := split(body)
	u := start(t, v, "backups/data")
	if err := v.SendPart(t.Context(), u, parts[0], bytes.NewReader(body[:parts[0].Size])); err != nil {
		t.Fatal(err)
	}
	v.conn.close(errStalled)
	err := v.SendPart(t.Context(), u, parts[1], bytes.NewReader(body[parts[0].Size:]))
	if !errors.Is(err, errOnce) || !errors.Is(err, ErrDenied) {
		t.Errorf("got error %v, want %v", err, errOnce)
	}
}

// Nobody who can only add may have a backup taken for unfinished, and swept.
func TestAMarkThatComesLaterHidesNothing(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{Deny: testenv.DenyAll()})
	v := open(t, options(s))
	dir := filepath.Join(s.Dir, "backups")
	if err := v.Put(t.Context(), "backups/a", nil); err != nil {
		t.Fatal(err)
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	for _, name := range []string{"b", "c"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(filepath.Join(dir, "b"), yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b", "c"} {
		_, err := do(t.Context(), v, func(o op) (none struct{}, err error) { return none, o.mkdir(layout.BegunMark("backups/" + name)) })
		if err != nil {
			t.Fatal(err)
		}
	}
	local, err := disk.New(s.Dir, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	for name, one := range map[string]holdfast.Vault{"sftp": v, "disk": local} {
		if got, want := keys(t, one.List(t.Context(), "")), []string{"backups/a", "backups/b"}; !cmp.Equal(got, want) {
			t.Errorf("%s: listed %q, want %q", name, got, want)
		}
		for key, want := range map[string]error{"backups/b": nil, "backups/c": holdfast.ErrNotExist} {
			r, err := one.Open(t.Context(), key, 0, -1)
			if !errors.Is(err, want) {
				t.Errorf("%s: open %s: got error %v, want %v", name, key, err, want)
			}
			if err == nil {
				r.Close()
			}
		}
	}
}

func TestWhatIsBegunAndNotDoneIsNotThere(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{Deny: testenv.DenyAll()})
	v := open(t, options(s))
	const key = "backups/web1/crm/20251028T140000Z-9f3c2a7d/manifest.json"
	dir := filepath.Join(s.Dir, filepath.Dir(key))
	if err := v.Put(t.Context(), filepath.Dir(key)+"/other", nil); err != nil {
		t.Fatal(err)
	}
	// As a crash leaves it: the mark, and half of the object.
	if err := os.Mkdir(filepath.Join(dir, ".manifest.json.begun"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(`{"host":`), 0o644); err != nil {
		t.Fatal(err)
	}
	local, err := disk.New(s.Dir, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	for name, one := range map[string]holdfast.Vault{"sftp": v, "disk": local} {
		if got, want := keys(t, one.List(t.Context(), "")), []string{filepath.Dir(key) + "/other"}; !cmp.Equal(got, want) {
			t.Errorf("%s: listed %q, want %q", name, got, want)
		}
		if _, err := one.Open(t.Context(), key, 0, -1); !errors.Is(err, holdfast.ErrNotExist) {
			t.Errorf("%s: open: got error %v, want %v", name, err, holdfast.ErrNotExist)
		}
		if err := one.Put(t.Context(), key, []byte(`{"host":"web1"}`)); !errors.Is(err, holdfast.ErrExist) {
			t.Errorf("%s: put: got error %v, want %v", name, err, holdfast.ErrExist)
		}
	}
	if err := local.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := v.Put(t.Context(), key, []byte(`{"host":"web1"}`)); err != nil {
		t.Errorf("put after the sweep: %v", err)
	}
	sameBytes(t, v, key, []byte(`{"host":"web1"}`))
}

func TestAGenerationThatWasAbandonedIsPassedOver(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{Deny: testenv.DenyAll()})
	o := options(s)
	later := time.Duration(0)
	o.Now = func() time.Time { return time.Now().Add(later) }
	v := open(t, o)
	tag, err := v.Swap(t.Context(), "state/document", []byte("one"), "")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.Dir, "state", ".document")
	if err := os.Mkdir(filepath.Join(dir, ".0000000002.begun"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "0000000002"), []byte("tw"), 0o644); err != nil {
		t.Fatal(err)
	}
	if body, present, err := v.Load(t.Context(), "state/document"); string(body) != "one" || present != tag || err != nil {
		t.Errorf("got %q with tag %q and error %v, want one with tag %q", body, present, err, tag)
	}
	if _, err := v.Swap(t.Context(), "state/document", []byte("three"), tag); !errors.Is(err, holdfast.ErrConflict) {
		t.Errorf("while somebody may be writing: got error %v, want %v", err, holdfast.ErrConflict)
	}
	later = 2 * abandonedAfter
	if tag, err = v.Swap(t.Context(), "state/document", []byte("three"), tag); err != nil {
		t.Fatal(err)
	}
	if body, present, err := v.Load(t.Context(), "state/document"); string(body) != "three" || present != tag || err != nil {
		t.Errorf("got %q with tag %q and error %v, want three with tag %q", body, present, err, tag)
	}
}

func TestAnUploadThatWasWrittenInPlaceIsOnlyItsOwn(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{Deny: testenv.DenyAll()})
	v := open(t, options(s))
	body := random(9 << 20)
	parts := split(body)
	u := start(t, v, "backups/data")
	if _, err := open(t, options(s)).StartUpload(t.Context(), "backups/data"); !errors.Is(err, holdfast.ErrExist) {
		t.Errorf("start another upload of the key: got error %v, want %v", err, holdfast.ErrExist)
	}
	for i, p := range parts {
		at := holdfast.PartOffset(i+1, holdfast.MaxParts)
		if err := v.SendPart(t.Context(), u, p, bytes.NewReader(body[at:at+p.Size])); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.CompleteUpload(t.Context(), u, parts, int64(len(body))); err != nil {
		t.Fatal(err)
	}
	sameBytes(t, v, "backups/data", body)
}
