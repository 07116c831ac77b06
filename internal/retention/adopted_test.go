package retention

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// adopted returns n nightly backups, newest first, that arrived when their names say.
func adopted(n int, may bool) []holdfast.Backup {
	var all []holdfast.Backup
	for i := range n {
		at := now.Add(-10*time.Hour - time.Duration(i)*day)
		ref := holdfast.Ref{Host: "web1", Job: "crm", ID: idAt(at, 0)}
		all = append(all, holdfast.Backup{
			Ref: ref, Committed: true, Manifest: holdfast.Object{Key: ref.ManifestKey(), Adopted: &holdfast.Adopted{Delete: may}},
			Data: []holdfast.Object{{Key: ref.Key("backup.zip"), Size: 1000, ModTime: at, Adopted: &holdfast.Adopted{Delete: may}}},
		})
	}
	return all
}

// newestOwn makes the newest n Holdfast's own.
func newestOwn(backups []holdfast.Backup, n int, size int64) []holdfast.Backup {
	for i := range n {
		b := &backups[i]
		b.Manifest.Adopted = nil
		b.Data = []holdfast.Object{{Key: b.Key("crm.sql.zst.age"), Size: size, ModTime: b.Time()}}
	}
	return backups
}

func TestBrakeOnAdoptedBackups(t *testing.T) {
	expect := holdfast.Expect{Every: holdfast.Span{N: 24, Unit: holdfast.Hour}, Grace: holdfast.Span{N: 2, Unit: holdfast.Hour}, Shrink: 0.5}
	arrived := func(backups []holdfast.Backup, i int, at time.Time) []holdfast.Backup {
		backups[i].Data[0].ModTime = at
		return backups
	}
	copied := adopted(10, true)
	for i := 3; i < 10; i++ { // the older ones were copied there, the newest first
		copied = arrived(copied, i, now.Add(-3*day+time.Duration(i)*time.Hour))
	}
	for _, c := range []struct {
		name    string
		backups []holdfast.Backup
		want    string // part of the summary; "" for no brake
	}{
		{"a steady state passes", adopted(10, true), ""},
		{"one that bears an older time than it arrived with", arrived(adopted(10, true), 6, now.Add(-time.Hour)), "not as old as its name"},
		{"within two days may be a slow copy", arrived(adopted(10, true), 6, now.Add(-10*time.Hour-3*day)), ""},
		{"a history that was copied there", copied, ""},
		{"the oldest too", arrived(adopted(10, true), 9, now.Add(-time.Hour)), "not as old as its name"},
		{"where times are not known nothing is late", arrived(adopted(10, true), 6, time.Time{}), ""},
		{"one's own times are the broker's", newestOwn(arrived(adopted(10, true), 0, now), 10, 1000), ""},
		{"of what is only watched nothing goes", arrived(adopted(10, false), 6, now), ""},
		{"own backups after a switch are not small beside adopted ones", newestOwn(adopted(10, true), 4, 100), ""},
		{"but beside own ones", func() []holdfast.Backup {
			all := newestOwn(adopted(10, true), 6, 1000)
			all[0].Data[0].Size = 100
			return all
		}(), "anomalously small"},
	} {
		t.Run(c.name, func(t *testing.T) {
			keep := holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Daily: 9}, MinKeep: 1}
			f := Brake(Plan(keep, c.backups, now), keep, expect, now)
			switch {
			case c.want == "" && f != nil:
				t.Errorf("got %q, want no brake", f.Summary)
			case c.want != "" && (f == nil || !strings.Contains(f.Summary, c.want)):
				t.Errorf("got %v, want one saying %q", f, c.want)
			case f != nil && (f.Expected == "" || f.Actual == "" || !strings.Contains(f.Hint, "--force")):
				t.Errorf("got %+v, want expected, actual and a hint", *f)
			}
		})
	}
}

func TestApplyLeavesWhatIsOnlyWatched(t *testing.T) {
	job := catalog.Job{Host: "web1", Name: "crm", Backups: adopted(3, false)}
	job.Backups[1].Manifest.Adopted.Delete = true
	v := newVault()
	decisions := make([]Decision, len(job.Backups))
	for i, b := range job.Backups {
		decisions[i] = Decision{Ref: b.Ref, Adopted: b.Adopted()}
		v.put(b.ManifestKey(), 10, b.Time())
		v.put(b.Data[0].Key, 1000, b.Time())
	}
	out, err := Apply(t.Context(), v, job, decisions, 1)
	if err != nil || len(out.Deleted) != 1 || out.Deleted[0] != job.Backups[1].Ref || len(v.keys()) != 4 {
		t.Errorf("got %+v, %v and %q", out, err, v.keys())
	}
}
