package sftp

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/disk"
)

func TestOfTwoWritersOfOneKeyAtOnceOneWins(t *testing.T) {
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testenv.StartSSHD(t, kind)
			vaults := []*Vault{open(t, options(s)), open(t, options(s))}
			for round := range 20 {
				key := fmt.Sprintf("backups/%d/manifest.json", round)
				bodies := [][]byte{random(40 << 10), random(50 << 10)}
				errs := together(2, func(i int) error { return vaults[i].Put(t.Context(), key, bodies[i]) })
				switch {
				case errs[0] == nil && errors.Is(errs[1], holdfast.ErrExist):
					sameBytes(t, vaults[1], key, bodies[0])
				case errs[1] == nil && errors.Is(errs[0], holdfast.ErrExist):
					sameBytes(t, vaults[0], key, bodies[1])
				default:
					t.Errorf("%s: got errors %v", key, errs)
				}
			}
		})
	}
}

func TestOfTwoSwapsAtOnceOneWins(t *testing.T) {
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testenv.StartSSHD(t, kind)
			vaults := []*Vault{open(t, options(s)), open(t, options(s))}
			tag := ""
			for round := range 20 {
				// The same bytes, too: a Swap that changed nothing has changed something.
				body := []byte(strconv.Itoa(round))
				tags := make([]string, 2)
				errs := together(2, func(i int) (err error) {
					tags[i], err = vaults[i].Swap(t.Context(), "state/document", body, tag)
					return err
				})
				switch {
				case errs[0] == nil && errors.Is(errs[1], holdfast.ErrConflict):
					tag = tags[0]
				case errs[1] == nil && errors.Is(errs[0], holdfast.ErrConflict):
					tag = tags[1]
				default:
					t.Fatalf("round %d: got errors %v", round, errs)
				}
			}
			if body, present, err := vaults[0].Load(t.Context(), "state/document"); string(body) != "19" || present != tag || err != nil {
				t.Errorf("got %q with tag %q and error %v, want 19 with tag %q", body, present, err, tag)
			}
		})
	}
}

func TestOldGenerationsAreRemoved(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	v := open(t, options(s))
	swap := func(tag string) string {
		t.Helper()
		tag, err := v.Swap(t.Context(), "state/alerts.json", []byte(tag+"."), tag)
		if err != nil {
			t.Fatal(err)
		}
		return tag
	}
	file := func(n int) string { return fmt.Sprintf("state/.alerts.json/%010d", n) }
	tag := swap(swap(swap(swap(""))))
	nothingBut(t, s, file(1), file(2), file(3), file(4)) // all young
	for n, age := range map[int]time.Duration{1: 90 * time.Minute, 2: 60 * time.Minute, 3: 10 * time.Minute} {
		at := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(s.Dir, file(n)), at, at); err != nil {
			t.Fatal(err)
		}
	}
	swap(tag)
	nothingBut(t, s, file(3), file(4), file(5))
	want := []string{"state/alerts.json"}
	if got := keys(t, v.List(t.Context(), "")); !cmp.Equal(got, want) {
		t.Errorf("listed: %q, want %q", got, want)
	}
	if err := v.Delete(t.Context(), "state/alerts.json"); err != nil {
		t.Fatal(err)
	}
	nothingBut(t, s)
}

// keys returns those that a listing shows.
func keys(t testing.TB, all func(func(holdfast.Object, error) bool)) (keys []string) {
	t.Helper()
	for o, err := range all {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func TestADirectoryIsADiskVaultTooAndTheOtherWayRound(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{Deny: testenv.DenyAll()})
	inPlace, v := open(t, options(s)), open(t, options(testenv.StartSSHD(t, testenv.SSHDOptions{Beside: s})))
	if err := v.Put(t.Context(), "backups/a", []byte("by link")); err != nil {
		t.Fatal(err)
	}
	if err := inPlace.Put(t.Context(), "backups/b", []byte("in place")); err != nil {
		t.Fatal(err)
	}
	u := start(t, v, "backups/unfinished")
	local, err := disk.New(s.Dir, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	if err := local.Put(t.Context(), "backups/c", []byte("on the disk")); err != nil {
		t.Fatal(err)
	}
	body := []byte("sent to the disk")
	there, p := mustStart(t, local, "backups/d"), split(body)
	if err := local.SendPart(t.Context(), there, p[0], bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(s.Dir, "backups", "c"), 0o644); err != nil { // root's, and not for others
		t.Fatal(err)
	}
	want := []string{"backups/a", "backups/b", "backups/c"}
	for name, one := range map[string]holdfast.Vault{"disk": local, "sftp": v, "sftp in place": inPlace} {
		if got := keys(t, one.List(t.Context(), "")); !cmp.Equal(got, want) {
			t.Errorf("%s: listed %q, want %q", name, got, want)
		}
	}
	sameBytes(t, v, "backups/c", []byte("on the disk"))
	for key, want := range map[string]string{"backups/a": "by link", "backups/b": "in place"} {
		if err := local.Put(t.Context(), key, []byte(want)); err != nil {
			t.Errorf("the disk vault holds other bytes of %s: %v", key, err)
		}
	}
	shown := map[string]bool{}
	for u, err := range local.ListUploads(t.Context(), "backups/") {
		if err != nil {
			t.Fatal(err)
		}
		shown[u.Key] = true
	}
	if !shown["backups/unfinished"] || !shown["backups/d"] {
		t.Errorf("the disk vault shows uploads %v, want both", shown)
	}
	if err := local.AbortUpload(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if err := v.SendPart(t.Context(), u, p[0], bytes.NewReader(body)); !errors.Is(err, holdfast.ErrNotExist) {
		t.Errorf("send to an upload that the disk vault has aborted: got error %v", err)
	}
	for _, key := range want {
		if err := local.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if got := keys(t, v.List(t.Context(), "")); len(got) > 0 {
		t.Errorf("%q is there after it was deleted", got)
	}
}

func mustStart(t testing.TB, v holdfast.Uploader, key string) holdfast.Upload {
	t.Helper()
	u, err := v.StartUpload(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
