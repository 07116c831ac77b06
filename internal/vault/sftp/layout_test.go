package sftp

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// The names are written out, and not taken from package layout: they are those of
// directories that are there already.
func TestWhatIsWrittenLiesWhereItAlwaysDid(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	o := options(s)
	o.Now = func() time.Time { return time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC) }
	v := open(t, o)
	u := start(t, v, "backups/data")
	p := split([]byte("x"))[0]
	p.Number = 2
	if err := v.SendPart(t.Context(), u, p, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if limits, want := v.UploadLimits(), (holdfast.UploadLimits{MaxParts: 10_000, Checksum: "sha256"}); limits != want {
		t.Errorf("limits: got %+v, want %+v", limits, want)
	}
	dir := ".uploads/" + u.ID + "/"
	nothingBut(t, s, dir+"data", dir+"upload.json")
	if _, err := os.Lstat(filepath.Join(s.Dir, ".tmp")); err != nil || len(u.ID) != 26 {
		t.Errorf("id %q, error %v", u.ID, err)
	}
	text, err := os.ReadFile(filepath.Join(s.Dir, dir, "upload.json"))
	if want := `{"key":"backups/data","started":"2025-10-28T14:00:00Z"}`; err != nil || string(text) != want {
		t.Errorf("got record %s and error %v, want %s", text, err, want)
	}
	if data, err := os.Stat(filepath.Join(s.Dir, dir, "data")); err != nil || data.Size() != 8<<20+1 {
		t.Errorf("data: got %v and error %v, want a byte at 8 MiB", data, err)
	}
	// An id is the name of a directory and leads nowhere else.
	away := holdfast.Upload{Key: u.Key, ID: "../.uploads/" + u.ID}
	if err := v.SendPart(t.Context(), away, p, strings.NewReader("x")); !errors.Is(err, holdfast.ErrNotExist) {
		t.Errorf("an upload by a path: got error %v, want %v", err, holdfast.ErrNotExist)
	}
	// A record that names no key says nothing, nor does one that is no record.
	for _, text := range []string{`{"key":"../x"}`, "\x00\x00"} {
		if err := os.WriteFile(filepath.Join(s.Dir, dir, "upload.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		found := 0
		for got, err := range v.ListUploads(t.Context(), "") {
			if found++; err != nil || got.ID != u.ID || got.Key != "" || got.Started.IsZero() {
				t.Errorf("record %q: got %+v and error %v, want an upload without a key", text, got, err)
			}
		}
		if found != 1 {
			t.Errorf("record %q: got %d uploads, want 1", text, found)
		}
	}
}

func TestPartsThatDoNotFitTheirPlacesAreRefused(t *testing.T) {
	v := open(t, options(testenv.StartSSHD(t, testenv.SSHDOptions{})))
	u, body := start(t, v, "backups/x"), append([]byte("short"), random(8<<20)...)
	short, full := split(body[:5])[0], split(body[5:])[0]
	for _, p := range []holdfast.Part{{Number: 0, Size: 1}, {Number: 10_001, Size: 1}, {Number: 1}, {Number: 1, Size: 8<<20 + 1}} {
		p.Sum = short.Sum
		if err := v.SendPart(t.Context(), u, p, strings.NewReader("")); err == nil || errors.Is(err, holdfast.ErrCorrupt) {
			t.Errorf("part %d of %d bytes: got error %v, want that there is no such part", p.Number, p.Size, err)
		}
	}
	// Nor is a hole part of an object.
	full.Number = 2
	for _, err := range []error{
		v.SendPart(t.Context(), u, short, bytes.NewReader(body[:5])), v.SendPart(t.Context(), u, full, bytes.NewReader(body[5:])),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := v.CompleteUpload(t.Context(), u, []holdfast.Part{short, full}, int64(len(body))); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("complete with a hole: got error %v, want %v", err, holdfast.ErrCorrupt)
	}
}

func TestTheLongestNameCanBeMarked(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{Deny: testenv.DenyAll()})
	v := open(t, options(s))
	name := strings.Repeat("n", 248)
	if err := v.Put(t.Context(), "backups/"+name, []byte("a body")); err != nil {
		t.Error(err)
	}
	for _, mark := range []string{"." + name + ".begun", "." + name + ".done"} {
		if info, err := os.Lstat(filepath.Join(s.Dir, "backups", mark)); err != nil || !info.IsDir() {
			t.Errorf("got %v and error %v, want the directory %q", info, err, mark)
		}
	}
	err := v.Put(t.Context(), "backups/"+name+"n", []byte("a body"))
	if err == nil || !strings.Contains(err.Error(), "not usable in a vault") {
		t.Errorf("a longer one: got error %v, want that it is no key", err)
	}
}
