package sftp

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

func TestReadingGoesOnWhereTheConnectionWasLost(t *testing.T) {
	o, proxy := behind(t, testenv.StartSSHD(t, testenv.SSHDOptions{}))
	v := open(t, o)
	body := random(20 << 20)
	if err := putLarge(t.Context(), v, "backups/x", body); err != nil {
		t.Fatal(err)
	}
	proxy.CutAnswersAfter(6 << 20)
	sameBytes(t, v, "backups/x", body)
	if !proxy.Spare() {
		t.Error("the connection was not cut")
	}
	r, err := v.Open(t.Context(), "backups/x", 5<<20+7, 9<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, body[5<<20+7:14<<20+7]) {
		t.Errorf("a piece: got %d bytes and error %v", len(got), err)
	}
}

func TestAnObjectThatShrinksWhileItIsReadIsCorrupt(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	v := open(t, options(s))
	if err := putLarge(t.Context(), v, "backups/x", random(9<<20)); err != nil {
		t.Fatal(err)
	}
	r, err := v.Open(t.Context(), "backups/x", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.Truncate(filepath.Join(s.Dir, "backups", "x"), 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("got error %v, want %v", err, holdfast.ErrCorrupt)
	}
}

func TestLeftoversAreShownToTheSweep(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	o := options(s)
	later := time.Duration(0)
	o.Now = func() time.Time { return time.Now().Add(later) }
	v := open(t, o)
	u := start(t, v, "backups/web1/crm/x/data")
	lost := start(t, v, "backups/web1/crm/y/data")
	if err := os.Remove(filepath.Join(s.Dir, layout.UploadPath(lost.ID, layout.RecordFile))); err != nil {
		t.Fatal(err)
	}
	stray := filepath.Join(s.Dir, layout.TempDir, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	if err := os.WriteFile(stray, []byte("half a"), 0o600); err != nil {
		t.Fatal(err)
	}
	list := func(prefix string) (all []holdfast.Upload) {
		t.Helper()
		for u, err := range v.ListUploads(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, u)
		}
		return all
	}
	if got := list("backups/web1/crm/"); len(got) != 1 || got[0].ID != u.ID || got[0].Key != u.Key {
		t.Errorf("of the job: got %+v, want the one upload", got)
	}
	if got := list("backups/"); len(got) != 2 {
		t.Errorf("of all: got %+v, want two uploads", got)
	}
	later = 23 * time.Hour
	if got := list("backups/"); len(got) != 2 {
		t.Errorf("of all, while somebody may be writing: got %+v, want two uploads", got)
	}
	later = 25 * time.Hour
	got := list("backups/")
	if len(got) != 3 {
		t.Errorf("of all, later: got %+v, want two uploads and what is left of a Put", got)
	}
	// As the sweep does, with another vault: it knows of the server alone.
	sweep := open(t, o)
	for _, u := range got {
		if u.Started.IsZero() {
			t.Errorf("%+v has no time", u)
		}
		if err := sweep.AbortUpload(t.Context(), u); err != nil {
			t.Error(err)
		}
	}
	nothingBut(t, s)
	p := split([]byte("x"))[0]
	if err := v.SendPart(t.Context(), u, p, bytes.NewReader([]byte("x"))); !errors.Is(err, holdfast.ErrNotExist) {
		t.Errorf("send to an upload that was swept: got error %v, want %v", err, holdfast.ErrNotExist)
	}
}

func TestAnUploadIsCompletedByWhoHasSentItsParts(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	v, other := open(t, options(s)), open(t, options(s))
	body := []byte("a body")
	p, u := split(body), start(t, v, "backups/x")
	if err := v.SendPart(t.Context(), u, p[0], bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	if err := other.CompleteUpload(t.Context(), u, p, 6); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("by another: got error %v, want %v", err, holdfast.ErrCorrupt)
	}
	if err := v.CompleteUpload(t.Context(), u, p, 6); err != nil {
		t.Error(err)
	}
	if err := other.CompleteUpload(t.Context(), u, p, 6); !errors.Is(err, holdfast.ErrExist) {
		t.Errorf("after it is complete: got error %v, want %v", err, holdfast.ErrExist)
	}
}
