package b2

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// backup are the keys of a backup.
const (
	manifest = "backups/web1/crm/20251028T140000Z-9f3c2a7d/manifest.json"
	data     = "backups/web1/crm/20251028T140000Z-9f3c2a7d/crm.sql.zst.age"
)

// over stores a version under a name that may be taken, as no vault does.
func over(t testing.TB, v *Vault, key, body string) (id string) {
	t.Helper()
	id, err := v.store(t.Context(), key, []byte(body), nil)
	must(t, err)
	return id
}

// hide hides a name.
func hide(t testing.TB, v *Vault, key string) {
	t.Helper()
	must(t, v.do(t.Context(), call{"b2_hide_file", "writeFiles"}, func(ctx context.Context, s *session) error {
		_, err := s.bucket.HideFile(ctx, v.prefix+key)
		return err
	}))
}

func TestWhatIsStoredLaterUnderANameChangesNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v, thief := newVault(t, s), newVault(t, s, capabilities(t, "broker")...)
	must(t, v.Put(t.Context(), manifest, []byte("the manifest")))
	must(t, v.Put(t.Context(), data, []byte("the data")))
	for name, spoil := range map[string]func(){
		"replaced":            func() { over(t, thief, manifest, "another, and longer") },
		"hidden":              func() { hide(t, thief, manifest) },
		"replaced and hidden": func() { over(t, thief, manifest, "a third"); hide(t, thief, manifest) },
	} {
		t.Run(name, func(t *testing.T) {
			spoil()
			if got := read(t, v, manifest); got != "the manifest" {
				t.Errorf("open: got %q", got)
			}
			var listed []holdfast.Object
			for o, err := range v.List(t.Context(), "backups/") {
				must(t, err)
				listed = append(listed, o)
			}
			if len(listed) != 2 || listed[1].Key != manifest || listed[1].Size != int64(len("the manifest")) {
				t.Errorf("list: got %+v", listed)
			}
			r, err := v.SignDownload(t.Context(), manifest, "manifest.json", time.Hour)
			must(t, err)
			if status, body := fetch(t, r, nil); status != 200 || body != "the manifest" {
				t.Errorf("signed download: got status %d, %q", status, body)
			}
			must(t, v.Put(t.Context(), manifest, []byte("the manifest")))
			wants(t, "put others", v.Put(t.Context(), manifest, []byte("another, and longer")), holdfast.ErrExist)
			posture, err := v.Posture(t.Context())
			must(t, err)
			if posture.HiddenCount != 1 || !slices.Equal(posture.Hidden, []string{manifest}) {
				t.Errorf("posture: hidden %d, %q", posture.HiddenCount, posture.Hidden)
			}
			if hidden, err := v.Hidden(t.Context(), "backups/web1/"); err != nil || !hidden {
				t.Errorf("hidden: got %v, %v", hidden, err)
			}
			if hidden, err := v.Hidden(t.Context(), data); err != nil || hidden {
				t.Errorf("hidden, of what nobody touched: got %v, %v", hidden, err)
			}
		})
	}
	must(t, v.Delete(t.Context(), manifest))
	if left := all(t, v, manifest); len(left) > 0 {
		t.Errorf("left after deletion: %+v", left)
	}
}

func TestAReplacementBetweenLookingAndReadingIsNotRead(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v, thief := newVault(t, s), newVault(t, s, capabilities(t, "broker")...)
	must(t, v.Put(t.Context(), data, []byte("the data")))
	for name, spoil := range map[string]func(){
		"replaced": func() { over(t, thief, data, "the DATA") },
		"hidden":   func() { hide(t, thief, data) },
	} {
		var once sync.Once
		s.FailWith(watch("b2_download_file_by_name", func(*http.Request) { once.Do(spoil) }))
		if got := read(t, v, data); got != "the data" {
			t.Errorf("%s: got %q", name, got)
		}
		s.FailWith(nil)
		must(t, v.Delete(t.Context(), data))
		must(t, v.Put(t.Context(), data, []byte("the data")))
	}
}

func TestTheOldestVersionGoesLast(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	over(t, v, data, "one")
	over(t, v, data, "two")
	hide(t, v, data)
	over(t, v, data, "three")
	deletions := 0
	s.FailWith(deny("b2_delete_file_version", func() bool { deletions++; return deletions > 3 }))
	if err := v.Delete(t.Context(), data); err == nil {
		t.Fatal("the last deletion should have failed")
	}
	s.FailWith(nil)
	if got := read(t, v, data); got != "one" {
		t.Errorf("got %q, want the object as it was", got)
	}
	must(t, v.Delete(t.Context(), data))
	if left := all(t, v, ""); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
}

func TestOfManyPutsOneWinsAndTheLosersLeaveNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	for round := range 5 {
		key := fmt.Sprintf("reports/web1/crm/%d.json", round)
		errs := make([]error, 12)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = v.Put(t.Context(), key, fmt.Appendf(nil, "body %02d", i)) })
		}
		wg.Wait()
		won := -1
		for i, err := range errs {
			switch {
			case err == nil && won >= 0:
				t.Errorf("puts %d and %d both succeeded", won, i)
			case err == nil:
				won = i
			default:
				wants(t, "put", err, holdfast.ErrExist)
			}
		}
		if got := read(t, v, key); won < 0 || got != fmt.Sprintf("body %02d", won) {
			t.Errorf("got %q, and put %d won", got, won)
		}
		if left := all(t, v, key); len(left) != 1 {
			t.Errorf("%d versions are left", len(left))
		}
	}
}

func TestPutTellsTheSameFromOthersWithoutReading(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	all, broker := newVault(t, s), newVault(t, s, capabilities(t, "broker")...)
	must(t, broker.Put(t.Context(), "reports/a", []byte("a body")))
	must(t, broker.Put(t.Context(), "reports/a", []byte("a body")))
	if got := s.Calls()["b2_upload_file"]; got != 1 {
		t.Errorf("the same was stored %d times", got)
	}
	wants(t, "put others of the same size", broker.Put(t.Context(), "reports/a", []byte("b body")), holdfast.ErrExist)

	// Of what came in parts B2 knows no checksum of the whole.
	u, parts := send(t, all, data, []byte("in one part"))
	must(t, all.CompleteUpload(t.Context(), u, parts, int64(len("in one part"))))
	must(t, all.Put(t.Context(), data, []byte("in one part")))
	wants(t, "put over an upload", all.Put(t.Context(), data, []byte("in two part")), holdfast.ErrExist)
	wants(t, "without permission to read", broker.Put(t.Context(), data, []byte("in one part")), holdfast.ErrExist)
}

func TestASmallFileIsSentWithItsSHA1(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	body := []byte("<p>fine</p>")
	var sent, kind string
	s.FailWith(watch("b2_upload_file", func(r *http.Request) {
		sent, kind = r.Header.Get("X-Bz-Content-Sha1"), r.Header.Get("Content-Type")
	}))
	_, err := v.Swap(t.Context(), "state/status.html", body, "")
	must(t, err)
	if want := sha1.Sum(body); sent != hex.EncodeToString(want[:]) || !strings.HasPrefix(kind, "text/html") {
		t.Errorf("sent with SHA-1 %q as %q", sent, kind)
	}
	r, err := v.SignPage(t.Context(), "state/status.html", time.Hour)
	must(t, err)
	if status, got := fetch(t, r, nil); status != 200 || got != string(body) {
		t.Errorf("page: got status %d, %q", status, got)
	}
}

func TestDeleteBatchSkipsWhatLiesBetween(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	var doomed, rest []string
	for i := range 30 {
		key := fmt.Sprintf("backups/web1/crm/%03d/data", i)
		over(t, v, key, "x")
		if i%10 == 0 {
			over(t, v, key, "again")
			doomed = append(doomed, key)
		} else {
			rest = append(rest, key)
		}
	}
	s.Calls()
	if err := errors.Join(v.DeleteBatch(t.Context(), append(doomed, "", "none"))...); err != nil {
		t.Fatal(err)
	}
	if got := s.Calls(); got["b2_list_file_versions"] != 1 || got["b2_delete_file_version"] != 6 {
		t.Errorf("calls: %v", got)
	}
	if got := keys(t, v, ""); !slices.Equal(got, rest) {
		t.Errorf("left: %q", got)
	}
}

func TestAPieceThatIsShortIsNoSuccess(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	must(t, v.Put(t.Context(), data, bytes.Repeat([]byte("x"), 1000)))
	v.options.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Path, "/file/") {
			r.Header.Set("Range", "bytes=0-9")
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	opened, err := v.session(t.Context())
	must(t, err)
	must(t, v.forget(t.Context(), opened))
	_, err = v.Open(t.Context(), data, 0, 500)
	wants(t, "open", err, holdfast.ErrCorrupt)
}
