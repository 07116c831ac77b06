package rounds_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/monitor"
	"github.com/holdfast-backup/holdfast/internal/rounds"
)

var now = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

// oldBackup is a vault with one backup of web1/crm, a month old, of which
// nobody has signed the manifest.
type oldBackup struct{ state map[string][]byte }

var ref = holdfast.Ref{Host: "web1", Job: "crm", ID: "20260215T020000Z-00000000"}

func (*oldBackup) List(_ context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		if prefix == holdfast.BackupsPrefix {
			_ = yield(holdfast.Object{Key: ref.Key("crm.sql.zst.age"), Size: 10}, nil) &&
				yield(holdfast.Object{Key: ref.ManifestKey(), Size: 2}, nil)
		}
	}
}

func (*oldBackup) Open(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader([]byte("{}"))), nil
}

func (v *oldBackup) Load(_ context.Context, key string) ([]byte, string, error) {
	if v.state[key] == nil {
		return nil, "", holdfast.ErrNotExist
	}
	return v.state[key], "tag", nil
}

func (v *oldBackup) Swap(_ context.Context, key string, body []byte, _ string) (string, error) {
	v.state[key] = body
	return "tag", nil
}

// A host is cut off because it was stolen, which is when its backups matter.
func TestARevokedHostsBackupsAreWatched(t *testing.T) {
	key := "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, c := range []struct {
		name    string
		revoked bool
		want    []string
	}{
		{"of a host in service backups are expected", false, []string{"web1/crm manifest", "web1/crm missing"}},
		{"of a revoked one none, but those that are there are judged", true, []string{"web1/crm manifest"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := &config.Holdfast{
				Vaults: map[string]config.Vault{"main": {}},
				Hosts:  map[string]config.Host{"web1": {Key: key, Jobs: []string{"crm"}, Revoked: c.revoked}},
			}
			registry, err := file.Registry()
			if err != nil {
				t.Fatal(err)
			}
			clock, vault := now, &oldBackup{map[string][]byte{}}
			r := rounds.Rounds{Registry: func() *config.Registry { return registry }, Now: func() time.Time { return clock }}
			var got []string
			for range 2 { // at first it is only just known
				results, err := r.Monitor(t.Context(), map[string]monitor.Vault{"main": vault}, monitor.Options{})
				if err != nil {
					t.Fatal(err)
				}
				clock, got = clock.Add(30*time.Hour), nil
				for _, f := range results[0].Findings {
					got = append(got, fmt.Sprintf("%s %s", f.Subject(), f.Check))
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
