package holdfast_test

import (
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

func TestAnEmptyFileSpoilsABackupUnlessItCameLater(t *testing.T) {
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	b := holdfast.Backup{
		Ref: holdfast.Ref{Host: "web1", Job: "crm", ID: "20260301T020000Z-9f3c2a7d"}, Committed: true,
		Manifest: holdfast.Object{Key: "manifest.json", Size: 100, ModTime: at},
		Data:     []holdfast.Object{{Key: "crm.sql", Size: 1000, ModTime: at}},
	}
	with := func(o ...holdfast.Object) holdfast.Backup {
		c := b
		c.Data = append(append([]holdfast.Object(nil), b.Data...), o...)
		return c
	}
	empty := b
	empty.Data = []holdfast.Object{{Key: "crm.sql", ModTime: at.Add(time.Hour)}}
	for name, c := range map[string]struct {
		backup holdfast.Backup
		want   bool
	}{
		"whole":                       {b, true},
		"an empty file of its own":    {with(holdfast.Object{Key: "z", ModTime: at}), false},
		"an empty file that is later": {with(holdfast.Object{Key: "z", ModTime: at.Add(time.Second)}), true},
		"nothing but an empty file":   {empty, false},
		"no data":                     {holdfast.Backup{Ref: b.Ref, Committed: true, Manifest: b.Manifest}, false},
	} {
		if got := c.backup.Good(at.Add(time.Minute)); got != c.want {
			t.Errorf("%s: got %t, want %t", name, got, c.want)
		}
	}
}
