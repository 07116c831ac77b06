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

func TestWhatCameLaterIsNotTheBackupsOwn(t *testing.T) {
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	object := func(key string, after time.Duration) holdfast.Object {
		return holdfast.Object{Key: key, Size: 1, ModTime: at.Add(after)}
	}
	for name, c := range map[string]struct {
		manifest time.Time
		data     []holdfast.Object
		want     int
	}{
		"all before":          {at, []holdfast.Object{object("a", -time.Hour), object("b", 0)}, 2},
		"a slow mirror":       {at, []holdfast.Object{object("a", 0), object("b", 48*time.Hour)}, 2},
		"one added":           {at, []holdfast.Object{object("a", 0), object("b", 48*time.Hour+1)}, 1},
		"all moved after it":  {at, []holdfast.Object{object("a", 50*time.Hour), object("b", 60*time.Hour)}, 2},
		"no times are known":  {time.Time{}, []holdfast.Object{{Key: "a"}, {Key: "b"}}, 2},
		"that of the data is": {time.Time{}, []holdfast.Object{object("a", 0)}, 1},
	} {
		b := holdfast.Backup{Committed: true, Manifest: holdfast.Object{Size: 1, ModTime: c.manifest}, Data: c.data}
		if got := len(b.Own()); got != c.want {
			t.Errorf("%s: got %d of its own, want %d", name, got, c.want)
		}
	}
}
