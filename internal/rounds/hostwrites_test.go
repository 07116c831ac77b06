package rounds

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/retention"
	"github.com/holdfast-backup/holdfast/internal/vault/disk"
)

// nas is a directory that the host web1 writes to by SFTP, on a server that lets it add
// files and change none, and that retention reads as a disk vault.
type nas struct {
	t        *testing.T
	dir      string
	vault    *disk.Vault
	registry *config.Registry
	now      time.Time
}

func newNAS(t *testing.T, broker, keep string) *nas {
	t.Helper()
	n := &nas{t: t, dir: filepath.Join(t.TempDir(), "nas"), now: time.Date(2025, 10, 28, 12, 0, 0, 0, time.UTC)}
	c, err := config.ParseHoldfast("holdfast.yaml", []byte(broker+fmt.Sprintf(`
vaults:
  nas: { disk: { path: %s } }
hosts:
  web1: { key: "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs: [crm] }
jobs:
  crm: { expect: { every: 24h, grace: 8h, min_size: 500B, shrink: 0.5, grow: 3 }, keep: %s }
`, n.dir, keep)))
	n.must(err)
	n.registry, err = c.Registry()
	n.must(err)
	n.vault, err = disk.New(n.dir, disk.Options{})
	n.must(err)
	t.Cleanup(func() { n.must(n.vault.Close()) })
	return n
}

func (n *nas) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// file adds a file, which has a hole up to its size.
func (n *nas) file(key string, size int64, arrived time.Time) {
	n.t.Helper()
	n.must(n.vault.Put(n.t.Context(), key, []byte("x")))
	at := filepath.Join(n.dir, key)
	n.must(os.Truncate(at, size))
	n.must(os.Chtimes(at, arrived, arrived))
}

func (n *nas) backup(id string, arrived time.Time) holdfast.Ref {
	n.t.Helper()
	ref := holdfast.Ref{Host: "web1", Job: "crm", ID: holdfast.ID(id)}
	n.file(ref.Key("crm.sql.zst.age"), 1000, arrived)
	n.file(ref.ManifestKey(), 300, arrived)
	return ref
}

// nights has a good backup of each of the last days.
func (n *nas) nights(days int) (good []holdfast.Ref) {
	for d := days - 1; d >= 0; d-- {
		at := n.now.AddDate(0, 0, -d).Truncate(24 * time.Hour).Add(3 * time.Hour)
		good = append(good, n.backup(at.Format("20060102T150405Z")+"-00000001", at.Add(time.Minute)))
	}
	return good
}

// left is how many of these backups a run of retention leaves.
func (n *nas) left(good []holdfast.Ref) (left int) {
	n.t.Helper()
	all, err := Rounds{Registry: func() *config.Registry { return n.registry }, Now: func() time.Time { return n.now }}.
		Retention(n.t.Context(), map[string]holdfast.Vault{"nas": n.vault}, retention.Options{})
	n.must(err)
	for _, ref := range good {
		if _, err := os.Stat(filepath.Join(n.dir, ref.ManifestKey())); err == nil {
			left++
		}
	}
	n.t.Logf("findings: %+v", all[0].Findings)
	return left
}

// A server at home may run a broker for other vaults, too.
func TestForgedTimesDisplaceNothingInADirectoryThatAHostWritesTo(t *testing.T) {
	for name, broker := range map[string]string{
		"without a broker": "",
		"beside a broker":  "broker: { url: https://backup.example.com, secret: \"env:SECRET\" }\n",
	} {
		t.Run(name, func(t *testing.T) {
			n := newNAS(t, broker, "{ daily: 20 }")
			good := n.nights(20)
			for _, ref := range good { // one a minute after each, which arrives today
				n.backup(ref.ID.Time().Add(time.Minute).Format("20060102T150405Z")+"-00000002", n.now.Add(-time.Hour))
			}
			if left := n.left(good); left != 20 {
				t.Errorf("%d of 20 good backups are left", left)
			}
		})
	}
}

func TestAFileBesideEachBackupHidesNoForgedOnes(t *testing.T) {
	n := newNAS(t, "", "{ daily: 20 }")
	good := n.nights(20)
	for _, ref := range good {
		n.backup(ref.ID.Time().Add(time.Minute).Format("20060102T150405Z")+"-00000002", n.now.Add(-time.Hour))
		n.file(ref.Key("x"), 1, n.now.Add(-time.Hour))
	}
	if left := n.left(good); left != 20 {
		t.Errorf("%d of 20 good backups are left", left)
	}
}

func TestFilesBesideBackupsTakeNoRoomUnderTheCap(t *testing.T) {
	n := newNAS(t, "", "{ all: 60d, max_total: 1GB }")
	good := n.nights(28)
	for night, ref := range []holdfast.Ref{good[13], good[19], good[20]} {
		n.file(ref.Key("x"), 2e9, n.now)
		if left := n.left(good); left != 28 {
			t.Errorf("night %d: %d of 28 good backups are left", night, left)
		}
		n.now = n.now.Add(time.Minute)
	}
}
