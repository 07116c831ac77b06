package disk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
)

func TestAPartThatIsHandedOverHasAReceiptLikeASignedOne(t *testing.T) {
	root := t.TempDir()
	v, client := newVault(t, root, newClock())
	u, body := start(t, v, "backups/x"), random(1000)
	p := part(1, body)
	if err := v.SendPart(t.Context(), u, p, bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	if have, ok := v.readReceipt(u.ID, 1); !ok || have != (receipt{p.Size, p.Sum}) {
		t.Errorf("got receipt %v, want one of the part", have)
	}
	// Another process may complete it, and a signed part may take its place.
	other := random(1000)
	send(t, v, client, u, 1, other)
	if err := v.CompleteUpload(t.Context(), u, []holdfast.Part{part(1, other)}, 1000); err != nil {
		t.Fatal(err)
	}
}

func TestMoreBytesThanThePartHasReachNoOtherPart(t *testing.T) {
	v, _ := newVault(t, t.TempDir(), newClock())
	u, first, second := start(t, v, "backups/x"), random(int(holdfast.MinPartSize)), random(1000)
	parts := []holdfast.Part{part(1, first), part(2, second)}
	if err := v.SendPart(t.Context(), u, parts[1], bytes.NewReader(second)); err != nil {
		t.Fatal(err)
	}
	longer := io.MultiReader(bytes.NewReader(first), strings.NewReader("more"))
	if err := v.SendPart(t.Context(), u, parts[0], longer); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("got error %v, want %v", err, holdfast.ErrCorrupt)
	}
	if _, ok := v.readReceipt(u.ID, 1); ok {
		t.Error("there is a receipt for a part that was refused")
	}
	if err := v.SendPart(t.Context(), u, parts[0], bytes.NewReader(first)); err != nil {
		t.Fatal(err)
	}
	if err := v.CompleteUpload(t.Context(), u, parts, int64(len(first)+len(second))); err != nil {
		t.Error(err)
	}
}

func TestAnUploadThatEndsCutsItsSendersOff(t *testing.T) {
	v, _ := newVault(t, t.TempDir(), newClock())
	u, body := start(t, v, "backups/x"), random(1000)
	aborted := false
	reader := readerFunc(func(p []byte) (int, error) {
		if !aborted {
			aborted = true
			v.sending.cut(u.ID) // as AbortUpload does first
		}
		return copy(p, body), nil
	})
	err := v.SendPart(t.Context(), u, part(1, body), reader)
	if !errors.Is(err, errOvertaken) || t.Context().Err() != nil {
		t.Errorf("got error %v, want %v", err, errOvertaken)
	}
	if _, ok := v.readReceipt(u.ID, 1); ok {
		t.Error("there is a receipt for a part that was cut off")
	}
}

func TestWhatIsBegunAndNotDoneIsHidden(t *testing.T) {
	root := t.TempDir()
	v, _ := newVault(t, root, newClock())
	for _, key := range []string{"backups/done", "backups/half", "backups/plain"} {
		if err := v.Put(t.Context(), key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	for _, mark := range []string{".done.begun", ".done.done", ".half.begun", ".gone.begun"} {
		if err := os.Mkdir(filepath.Join(root, "backups", mark), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for o, err := range v.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Key)
	}
	if want := []string{"backups/done", "backups/plain"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	if _, err := v.Open(t.Context(), "backups/half", 0, -1); !errors.Is(err, holdfast.ErrNotExist) {
		t.Errorf("open: got error %v, want %v", err, holdfast.ErrNotExist)
	}
	for _, key := range []string{"backups/done", "backups/half", "backups/gone"} {
		if err := v.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if err := v.Put(t.Context(), key, []byte("anew")); err != nil {
			t.Errorf("put %s again: %v", key, err)
		}
		if r, err := v.Open(t.Context(), key, 0, -1); err != nil {
			t.Errorf("open %s: %v", key, err)
		} else {
			r.Close()
		}
	}
}
