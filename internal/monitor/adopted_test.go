package monitor

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

// adopting is a vault in which backups that have no manifest there are adopted.
type adopting struct{ *fakeVault }

func (v adopting) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		var all []holdfast.Object
		for o, err := range v.fakeVault.List(ctx, prefix) {
			if err != nil {
				yield(o, err)
				return
			}
			if strings.HasSuffix(o.Key, ".zip") {
				ref, _, _ := holdfast.ParseKey(o.Key)
				o.Adopted = &holdfast.Adopted{Key: "app/" + string(ref.ID)}
				all = append(all, holdfast.Object{Key: ref.ManifestKey(), ModTime: o.ModTime, Adopted: &holdfast.Adopted{}})
			}
			all = append(all, o)
		}
		slices.SortFunc(all, func(a, b holdfast.Object) int { return strings.Compare(a.Key, b.Key) })
		for _, o := range all {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// zip puts a file of another program there.
func (h *house) zip(ago time.Duration, size int64) {
	at := h.now.Add(-ago)
	ref := holdfast.Ref{Host: "web1", Job: "crm", ID: h.id(at)}
	h.vault.putLazy(ref.Key("backup.zip"), size, at, nil)
}

func TestAdoptedBackups(t *testing.T) {
	nightly := func(h *house, n int, from time.Duration) {
		for i := range n {
			h.zip(from+time.Duration(i)*day, 5000)
		}
	}
	for _, c := range []struct {
		name string
		make func(h *house)
		want []string
	}{
		{"are judged by name, size and time alone", func(h *house) { nightly(h, 20, time.Hour); h.opts.HashBytes = DefaultHashBytes }, nil},
		{"go stale", func(h *house) { nightly(h, 20, 40*time.Hour) }, []string{"critical web1/crm fresh"}},
		{"shrink", func(h *house) { nightly(h, 20, day); h.zip(time.Hour, 2000) }, []string{"warning web1/crm size-shrunk"}},
		{"grow", func(h *house) { nightly(h, 20, day); h.zip(time.Hour, 50_000) }, []string{"warning web1/crm size-grown"}},
		{"are too small", func(h *house) { nightly(h, 20, day); h.zip(time.Hour, 10) }, []string{"critical web1/crm min-size", "warning web1/crm size-shrunk"}},
		{"are empty", func(h *house) { nightly(h, 20, 40*time.Hour); h.zip(time.Hour, 0) }, []string{"critical web1/crm fresh"}},
		{"bear a time to come", func(h *house) { nightly(h, 20, time.Hour); h.zip(-3*day, 5000) }, []string{"warning web1/crm future"}},
		{"are followed by own ones, of which sizes and files are others", func(h *house) {
			nightly(h, 20, 4*day)
			for i := range 4 {
				h.push(time.Hour+time.Duration(3-i)*day, dump{file: "crm.sql.zst.age", size: 1000})
			}
		}, nil},
		{"and own ones are judged by own ones", func(h *house) {
			nightly(h, 20, 5*day)
			for i := range 4 {
				h.push(day+time.Duration(3-i)*day, dump{file: "crm.sql.zst.age", size: 5000})
			}
			h.push(time.Hour, dump{file: "crm.sql.zst.age", size: 1000})
		}, []string{"warning web1/crm size-shrunk"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			c.make(h)
			h.vault.failOpen = func(key string) error {
				if ref, _, _ := holdfast.ParseKey(key); h.vault.objects[ref.Key("backup.zip")].size > 0 {
					t.Errorf("%s was read", key)
				}
				return nil
			}
			result, err := Run(t.Context(), adopting{h.vault}, h.opts)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range result.Findings {
				got = append(got, fmt.Sprintf("%s %s %s", f.Severity, f.Subject(), f.Check))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Nobody may pass for another program by having no manifest.
func TestWhatTheVaultDoesNotCallAdoptedIsNot(t *testing.T) {
	h := newHouse(t)
	h.zip(time.Hour, 5000)
	ref := holdfast.Ref{Host: "web1", Job: "crm", ID: h.id(h.now.Add(-time.Hour))}
	h.vault.put(ref.ManifestKey(), []byte(`{"adopted":{}}`), h.now)
	if f := find(t, h.run(), holdfast.CheckManifest); f.Severity != holdfast.Critical {
		t.Errorf("got %+v", f)
	}
}
