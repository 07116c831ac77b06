package disk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// crashes are the states in which a crash can leave the completion of an upload.
var crashes = []struct {
	name  string
	until func(v *Vault, u holdfast.Upload, size int64) error
	there bool // the object is visible
}{
	{"before anything happened", func(*Vault, holdfast.Upload, int64) error { return nil }, false},
	{"after data was renamed", func(v *Vault, u holdfast.Upload, _ int64) error {
		return v.root.Rename(layout.UploadPath(u.ID, layout.DataFile), layout.UploadPath(u.ID, sealedFile))
	}, false},
	{"after it was sealed", func(v *Vault, u holdfast.Upload, size int64) error {
		return v.seal(u.ID, size)
	}, false},
	{"after a directory of the key was made", func(v *Vault, u holdfast.Upload, size int64) error {
		return errors.Join(v.seal(u.ID, size), v.makeDirs("backups"))
	}, false},
	{"after the object was linked", func(v *Vault, u holdfast.Upload, size int64) error {
		return errors.Join(v.seal(u.ID, size), v.publish(context.Background(), layout.UploadPath(u.ID, sealedFile), u.Key))
	}, true},
	{"after the upload was renamed", func(v *Vault, u holdfast.Upload, size int64) error {
		return errors.Join(v.seal(u.ID, size), v.publish(context.Background(), layout.UploadPath(u.ID, sealedFile), u.Key),
			v.root.Rename(layout.UploadDir(u.ID), layout.TempPath(u.ID)))
	}, true},
	{"while the upload was removed", func(v *Vault, u holdfast.Upload, size int64) error {
		temp := layout.TempPath(u.ID)
		return errors.Join(v.seal(u.ID, size), v.publish(context.Background(), layout.UploadPath(u.ID, sealedFile), u.Key),
			v.root.Rename(layout.UploadDir(u.ID), temp), v.root.Remove(path.Join(temp, layout.RecordFile)))
	}, true},
}

// crashed returns a vault in which the completion of an upload has crashed.
func crashed(t *testing.T, until func(*Vault, holdfast.Upload, int64) error) (root string, u holdfast.Upload, body []byte) {
	t.Helper()
	root = t.TempDir()
	v, client := newVault(t, root, newClock())
	u, body = start(t, v, "backups/web1/crm/x/crm.sql"), random(1000)
	send(t, v, client, u, 1, body)
	// More than the object will have: cut off when it is sealed.
	send(t, v, client, u, 2, random(int(holdfast.PartSize(2, holdfast.MaxParts))))
	if err := until(v, u, int64(len(body))); err != nil {
		t.Fatal(err)
	}
	return root, u, body
}

func TestAfterACrashCompletingIsRepeated(t *testing.T) {
	for _, c := range crashes {
		t.Run(c.name, func(t *testing.T) {
			root, u, body := crashed(t, c.until)
			v, _ := newVault(t, root, newClock())
			if got := len(keys(t, v, "backups/")); got != map[bool]int{true: 1}[c.there] {
				t.Errorf("%d objects are listed, there %v", got, c.there)
			}
			err := v.CompleteUpload(t.Context(), u, []holdfast.Part{part(1, body)}, int64(len(body)))
			if c.there && !errors.Is(err, holdfast.ErrExist) || !c.there && err != nil {
				t.Errorf("complete again: got error %v, there %v", err, c.there)
			}
			if !bytes.Equal(content(t, v, u.Key), body) {
				t.Error("the object has other bytes")
			}
			if err := v.CompleteUpload(t.Context(), u, []holdfast.Part{part(1, body)}, int64(len(body))); !errors.Is(err, holdfast.ErrExist) {
				t.Errorf("complete a third time: got error %v, want %v", err, holdfast.ErrExist)
			}
			onlyObject(t, v, u.Key)
		})
	}
}

// onlyObject fails unless the object is all that is left a day later.
func onlyObject(t *testing.T, v *Vault, key string) {
	t.Helper()
	if ids, err := v.uploadIDs(); err != nil || len(ids) > 0 {
		t.Errorf("uploads that are left: %q, error %v", ids, err)
	}
	restartLater(t, v.root.Name())
	if got := files(t, v.root.Name()); !slices.Equal(got, []string{filepath.FromSlash(key)}) {
		t.Errorf("left: %q, want the object alone", got)
	}
}

// restartLater opens the vault when its temporary files have become old.
func restartLater(t *testing.T, root string) {
	t.Helper()
	restartAfter(t, root, 25*time.Hour)
}

func restartAfter(t *testing.T, root string, d time.Duration) {
	t.Helper()
	v, err := New(root, Options{Now: func() time.Time { return time.Now().Add(d) }})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
}

func TestAfterACrashASignedPartReachesNoObject(t *testing.T) {
	for _, c := range crashes[1:] {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			v, client := newVault(t, root, newClock())
			u, body := start(t, v, "backups/x"), random(1000)
			send(t, v, client, u, 1, body)
			late := sign(t, v, u, 1, []byte("late"))
			if err := c.until(v, u, int64(len(body))); err != nil {
				t.Fatal(err)
			}
			status, _ := do(t, client, http.MethodPut, late.URL, strings.NewReader("late"))
			if status != http.StatusNotFound {
				t.Errorf("got status %d, want %d", status, http.StatusNotFound)
			}
			err := v.CompleteUpload(t.Context(), u, []holdfast.Part{part(1, body)}, int64(len(body)))
			if err != nil && !errors.Is(err, holdfast.ErrExist) {
				t.Error(err)
			}
			if !bytes.Equal(content(t, v, u.Key), body) {
				t.Error("the object has other bytes")
			}
		})
	}
}

func TestAfterACrashAbortingHarmsNoObject(t *testing.T) {
	for _, c := range crashes {
		t.Run(c.name, func(t *testing.T) {
			root, u, body := crashed(t, c.until)
			v, _ := newVault(t, root, newClock())
			for range 2 {
				if err := v.AbortUpload(t.Context(), u); err != nil {
					t.Fatal(err)
				}
			}
			if c.there {
				if !bytes.Equal(content(t, v, u.Key), body) {
					t.Error("the object has other bytes")
				}
				onlyObject(t, v, u.Key)
				return
			}
			if got := keys(t, v, ""); len(got) > 0 {
				t.Errorf("listed: %q, want nothing", got)
			}
			if got := files(t, root); len(got) > 0 {
				t.Errorf("left: %q, want nothing", got)
			}
		})
	}
}

func TestACompletedUploadIsNotListedAsUnfinished(t *testing.T) {
	root := t.TempDir()
	v, client := newVault(t, root, newClock())
	u, body := start(t, v, "backups/x"), []byte("a body")
	send(t, v, client, u, 1, body)
	if err := crashes[4].until(v, u, int64(len(body))); err != nil {
		t.Fatal(err)
	}
	for u, err := range v.ListUploads(t.Context(), "") {
		t.Errorf("listed: %v, error %v", u, err)
	}
}

func TestPartsThatWereCutOffBeforeACrashAreMissing(t *testing.T) {
	v, client := newVault(t, t.TempDir(), newClock())
	u := start(t, v, "backups/x")
	full := random(int(holdfast.PartSize(1, holdfast.MaxParts)))
	parts := []holdfast.Part{send(t, v, client, u, 1, full), send(t, v, client, u, 2, []byte("the second part"))}
	one, both := int64(len(full)), int64(len(full)+15)
	if err := v.seal(u.ID, one); err != nil {
		t.Fatal(err)
	}
	if err := v.CompleteUpload(t.Context(), u, parts, both); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("with the part that was cut off: got error %v, want %v", err, holdfast.ErrCorrupt)
	}
	if err := v.CompleteUpload(t.Context(), u, parts[:1], one); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(content(t, v, u.Key), full) {
		t.Error("the object has other bytes")
	}
}

// breaking yields some bytes and then an error, as a connection that is reset.
func breaking(body []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(body), &failing{})
}

type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestAResetLeavesNoReceiptOverGarbage(t *testing.T) {
	v, client := newVault(t, t.TempDir(), newClock())
	u, first, second := start(t, v, "backups/x"), random(1000), random(1000)
	send(t, v, client, u, 1, first)
	p := part(1, second)
	err := v.storePart(t.Context(), partClaims{"", u.ID, 1, p.Size, p.Sum}, breaking(second[:500]), func() {})
	if !errors.Is(err, errBody) {
		t.Fatalf("got error %v, want %v", err, errBody)
	}
	for _, body := range [][]byte{first, second} {
		err := v.CompleteUpload(t.Context(), u, []holdfast.Part{part(1, body)}, 1000)
		if !errors.Is(err, holdfast.ErrCorrupt) {
			t.Errorf("complete: got error %v, want %v", err, holdfast.ErrCorrupt)
		}
	}
	send(t, v, client, u, 1, second)
	if err := v.CompleteUpload(t.Context(), u, []holdfast.Part{p}, 1000); err != nil {
		t.Error(err)
	}
}

func TestAResetWhileAPartIsRepeatedLosesNothing(t *testing.T) {
	v, client := newVault(t, t.TempDir(), newClock())
	u, body := start(t, v, "backups/x"), random(1000)
	p := send(t, v, client, u, 1, body)
	err := v.storePart(t.Context(), partClaims{"", u.ID, 1, p.Size, p.Sum}, breaking(random(500)), func() {})
	if !errors.Is(err, errBody) {
		t.Fatalf("got error %v, want %v", err, errBody)
	}
	if err := v.CompleteUpload(t.Context(), u, []holdfast.Part{p}, 1000); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content(t, v, u.Key), body) {
		t.Error("the object has other bytes")
	}
}

func TestAReceiptIsGoneBeforeThePartIsWritten(t *testing.T) {
	v, client := newVault(t, t.TempDir(), newClock())
	u, second := start(t, v, "backups/x"), random(1000)
	send(t, v, client, u, 1, random(1000))
	looked := false
	body := readerFunc(func(p []byte) (int, error) {
		// Here the process could be killed.
		if _, ok := v.readReceipt(u.ID, 1); ok {
			t.Error("the receipt is still there")
		}
		looked = true
		return copy(p, second), io.EOF
	})
	p := part(1, second)
	if err := v.storePart(t.Context(), partClaims{"", u.ID, 1, p.Size, p.Sum}, body, func() {}); err != nil || !looked {
		t.Errorf("got error %v, looked %v", err, looked)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestAReceiptThatSaysNothingIsNone(t *testing.T) {
	for _, text := range []string{"", "{", "null", `{"size":6}`, "\x00\x00\x00\x00"} {
		v, client := newVault(t, t.TempDir(), newClock())
		u := start(t, v, "backups/x")
		p := send(t, v, client, u, 1, []byte("a body"))
		if err := os.WriteFile(filepath.Join(v.root.Name(), layout.UploadPath(u.ID, partFile(1, "json"))), []byte(text), fileMode); err != nil {
			t.Fatal(err)
		}
		if err := v.CompleteUpload(t.Context(), u, []holdfast.Part{p}, 6); !errors.Is(err, holdfast.ErrCorrupt) {
			t.Errorf("receipt %q: got error %v, want %v", text, err, holdfast.ErrCorrupt)
		}
	}
}

func TestStartingRemovesOldTemporaryFilesOnly(t *testing.T) {
	root := t.TempDir()
	v, _ := newVault(t, root, newClock())
	temp, err := v.writeTemp([]byte("being written"))
	if err != nil {
		t.Fatal(err)
	}
	restartAfter(t, root, 23*time.Hour)
	if _, err := v.root.Lstat(temp); err != nil {
		t.Errorf("a young file: %v", err)
	}
	restartLater(t, root)
	if got := files(t, root); len(got) > 0 {
		t.Errorf("left: %q", got)
	}
}

func TestAPutThatCrashedBeforeItCleanedUpIsWhole(t *testing.T) {
	root := t.TempDir()
	v, _ := newVault(t, root, newClock())
	temp, err := v.writeTemp([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.publish(t.Context(), temp, "backups/x"); err != nil {
		t.Fatal(err)
	}
	if err := v.Put(t.Context(), "backups/x", []byte("x")); err != nil {
		t.Error(err)
	}
	onlyObject(t, v, "backups/x")
}
