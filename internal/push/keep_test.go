package push

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/disk"
)

// counts keeps the newest n, and no fewer than one.
func counts(n int) *holdfast.Policy {
	return &holdfast.Policy{
		Keep:   holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Last: n}, MinKeep: 1},
		Expect: holdfast.Expect{Shrink: 0.5, Grow: 3},
	}
}

// kept is a job with a local directory and a broker, and what lies in the former.
type kept struct {
	*three
	vault *disk.Vault
}

func newKept(t *testing.T, policy *holdfast.Policy) *kept {
	w := &kept{three: newThree(t)}
	w.job.Sources = []Source{{Stream: "db", Source: &fakeSource{file: "crm.sql", data: []byte("data")}}}
	w.deps.Destinations = []Destination{w.deps.Destinations[0], onDisk("local", w.dir, w.c, policy)}
	w.vault = diskVault(t, w.dir)
	return w
}

// put puts a backup of a job that many days ago; one that is not whole has no manifest.
func (w *kept) put(t *testing.T, job string, days int, whole bool) holdfast.ID {
	t.Helper()
	at := w.c.Now().AddDate(0, 0, -days)
	id, err := holdfast.NewID(at, strings.NewReader(strings.Repeat(string(rune('a'+days)), 4)))
	if err != nil {
		t.Fatal(err)
	}
	ref := holdfast.Ref{Host: "web1", Job: job, ID: id}
	files := []string{"crm.sql"}
	if whole {
		files = append(files, holdfast.ManifestFile)
	}
	for _, file := range files {
		if err := w.vault.Put(t.Context(), ref.Key(file), []byte("data")); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(w.dir, filepath.FromSlash(ref.Key(file))), at, at); err != nil {
			t.Fatal(err)
		}
	}
	return id
}

// ids returns the backups of the job that the directory has something of.
func (w *kept) ids(t *testing.T, job string) []holdfast.ID {
	t.Helper()
	var ids []holdfast.ID
	for _, key := range keysOf(t, w.vault, holdfast.JobPrefix("web1", job)) {
		if ref, _, ok := holdfast.ParseKey(key); ok && !slices.Contains(ids, ref.ID) {
			ids = append(ids, ref.ID)
		}
	}
	return ids
}

func TestALocalDirectoryIsThinnedOutAfterTheRun(t *testing.T) {
	w := newKept(t, counts(3))
	var crm, wiki []holdfast.ID
	for days := 4; days > 0; days-- {
		crm, wiki = append(crm, w.put(t, "crm", days, true)), append(wiki, w.put(t, "wiki", days, true))
	}
	crashed := w.put(t, "crm", 5, false)
	recent := w.put(t, "crm", 0, false) // of a run that may go on elsewhere
	old := w.put(t, "wiki", 6, false)   // another job's, whose run it will go with
	left := begunBefore(t, w, 3*24*time.Hour)

	out := Run(t.Context(), w.job, w.deps)
	if out.Status != OK || len(out.Warnings) > 0 {
		t.Fatalf("got %+v", out)
	}
	if diff := cmp.Diff([]holdfast.ID{crm[2], crm[3], recent, testID}, w.ids(t, "crm")); diff != "" {
		t.Errorf("backups of the job (-want +got):\n%s (%s had crashed)", diff, crashed)
	}
	if diff := cmp.Diff(append([]holdfast.ID{old}, wiki...), w.ids(t, "wiki")); diff != "" {
		t.Errorf("backups of another job (-want +got):\n%s", diff)
	}
	if begun := uploadsIn(t, w.vault); !slices.Equal(begun, []string{left}) {
		t.Errorf("unfinished uploads: got %q, want that of another job, %q", begun, left)
	}
}

// begunBefore begins an upload of the job and one of another that long ago, and
// returns the key of the latter.
func begunBefore(t *testing.T, w *kept, age time.Duration) string {
	t.Helper()
	before, err := disk.New(w.dir, disk.Options{Now: func() time.Time { return w.c.Now().Add(-age) }})
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	var key string
	for _, job := range []string{"crm", "wiki"} {
		key = holdfast.Ref{Host: "web1", Job: job, ID: "20251020T140000Z-00000000"}.Key("crm.sql")
		if _, err := before.StartUpload(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	return key
}

func uploadsIn(t *testing.T, v holdfast.UploadLister) []string {
	t.Helper()
	var keys []string
	for u, err := range v.ListUploads(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, u.Key)
	}
	return keys
}

func TestABrakeKeepsWhatIsThere(t *testing.T) {
	w := newKept(t, counts(1))
	for days := 1; days <= 4; days++ {
		w.put(t, "crm", days, true)
	}
	out := Run(t.Context(), w.job, w.deps)
	if got := len(w.ids(t, "crm")); out.Status != OK || got != 5 {
		t.Errorf("got %s with %d backups left, want ok and all 5", out.Status, got)
	}
	if text := strings.Join(out.Warnings, "\n"); !strings.Contains(text, "keep at local: refused to delete 4 of 5 good backups at once") {
		t.Errorf("got warnings %q", text)
	}
}

func TestARunThatAddsNothingGivesNothingUp(t *testing.T) {
	w := newKept(t, counts(3))
	for days := 1; days <= 5; days++ {
		w.put(t, "crm", days, true)
	}
	crashed := w.put(t, "crm", 8, false)
	w.job.Sources[0].Source.(*fakeSource).err = errors.New("server gone")
	out := Run(t.Context(), w.job, w.deps)
	got := w.ids(t, "crm")
	if out.Status != Failed || len(got) != 5 || slices.Contains(got, crashed) {
		t.Errorf("got %s with %q, want the five without %s", out.Status, got, crashed)
	}
}

func TestKeepThatFailsMakesTheRunPartial(t *testing.T) {
	w := newKept(t, counts(3))
	for days := 1; days <= 5; days++ {
		w.put(t, "crm", days, true)
	}
	w.deps.Destinations[1] = NewDirect(DirectOptions{Name: "local", Kind: KindDisk, Policy: counts(3), Open: func(context.Context) (DirectVault, error) {
		return stubborn{diskVault(t, w.dir)}, nil
	}})
	out := Run(t.Context(), w.job, w.deps)
	if out.Status != Partial || out.Stage != StageKeep || !strings.Contains(out.Error, "keep at local: run retention: ") {
		t.Errorf("got %+v", out)
	}
	if got := statuses(out); got != "broker/main ok, broker/second ok, local ok" || len(w.c.reports) != 0 {
		t.Errorf("got %s, reports %v", got, w.c.reports)
	}
	w.wantTold(t, "partial", "/success")
}

// stubborn is a directory that lets nothing be deleted.
type stubborn struct{ *disk.Vault }

func (stubborn) Delete(context.Context, string) error { return errors.New("not permitted") }

func (stubborn) Close() error { return nil }

func TestWhatWasLeftBehindGoesAlsoWhereThereIsNoRoomToBegin(t *testing.T) {
	w := newKept(t, counts(3))
	crashed := w.put(t, "crm", 5, false)
	whole := w.put(t, "crm", 4, true)
	left := begunBefore(t, w, 3*24*time.Hour)
	w.deps.Destinations[1] = NewDirect(DirectOptions{Name: "local", Kind: KindDisk, Policy: counts(1), Open: func(context.Context) (DirectVault, error) {
		v, err := disk.New(w.dir, disk.Options{Now: w.c.Now})
		return full{v}, err
	}})
	out := Run(t.Context(), w.job, w.deps)
	if got := statuses(out); out.Status != Partial || got != "broker/main ok, broker/second ok, local failed start" {
		t.Errorf("got %s, %+v", got, out)
	}
	if got := w.ids(t, "crm"); !slices.Equal(got, []holdfast.ID{whole}) {
		t.Errorf("got %q left, want %s without %s", got, whole, crashed)
	}
	if begun := uploadsIn(t, w.vault); !slices.Equal(begun, []string{left}) {
		t.Errorf("unfinished uploads: got %q, want that of another job, %q", begun, left)
	}
}

// full is a directory that has no room.
type full struct{ *disk.Vault }

func (full) StartUpload(context.Context, string) (holdfast.Upload, error) {
	return holdfast.Upload{}, fmt.Errorf("start upload: %w", holdfast.ErrFull)
}

func TestAnUploadWhoseRecordIsDamagedIsRemoved(t *testing.T) {
	w := newKept(t, counts(3))
	left := begunBefore(t, w, 3*24*time.Hour)
	records, err := filepath.Glob(filepath.Join(w.dir, ".uploads", "*"))
	if err != nil || len(records) != 2 {
		t.Fatalf("got %q, %v", records, err)
	}
	old := w.c.Now().AddDate(0, 0, -3)
	damaged := filepath.Join(w.dir, ".uploads", strings.Repeat("A2", 13))
	if err := os.CopyFS(damaged, os.DirFS(records[0])); err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob(filepath.Join(damaged, "*.json"))
	if err != nil || len(all) == 0 {
		t.Fatalf("got %q, %v", all, err)
	}
	for _, name := range all {
		if err := os.Truncate(name, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(damaged, old, old); err != nil {
		t.Fatal(err)
	}
	if before := uploadsIn(t, w.vault); len(before) != 3 || !slices.Contains(before, "") {
		t.Fatalf("got uploads %q, want one without a key", before)
	}
	if out := Run(t.Context(), w.job, w.deps); out.Status != OK {
		t.Errorf("got %+v", out)
	}
	if begun := uploadsIn(t, w.vault); !slices.Equal(begun, []string{left}) {
		t.Errorf("unfinished uploads: got %q, want that of another job, %q", begun, left)
	}
}
