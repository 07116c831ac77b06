package status

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	day = 24 * time.Hour
	mb  = 1_000_000
)

var noon = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

// crm is the job of the tests.
var crm = holdfast.JobName{Host: "web1", Job: "crm"}

// nightly is a policy of one backup a day.
func nightly() holdfast.Policy {
	return holdfast.Policy{
		Keep: holdfast.Keep{Form: holdfast.Windows, MinKeep: 3, Windows: holdfast.KeepWindows{
			All: holdfast.Span{N: 7, Unit: holdfast.Day}, Daily: holdfast.Span{N: 16, Unit: holdfast.Day}, Weekly: holdfast.Span{N: 8, Unit: holdfast.Week},
		}},
		Expect: holdfast.Expect{
			Every: holdfast.Span{N: 24, Unit: holdfast.Hour}, Grace: holdfast.Span{N: 2, Unit: holdfast.Hour}, Shrink: 0.5, Grow: 3,
		},
	}
}

func always(p holdfast.Policy) Policies {
	return func(string, string) (holdfast.Policy, bool) { return p, true }
}

// backup is a good one of that time and size, which took a minute.
func backup(name holdfast.JobName, t time.Time, size int64) holdfast.Backup {
	ref := holdfast.Ref{Host: name.Host, Job: name.Job, ID: idAt(t)}
	return holdfast.Backup{
		Ref: ref, Committed: true,
		Manifest: holdfast.Object{Key: ref.ManifestKey(), Size: 1000, ModTime: t.Add(time.Minute)},
		Data:     []holdfast.Object{{Key: ref.Key("crm.sql.zst.age"), Size: size}},
	}
}

func idAt(t time.Time) holdfast.ID {
	id, err := holdfast.NewID(t, strings.NewReader("\x0a\x1b\x2c\x3d"))
	if err != nil {
		panic(err)
	}
	return id
}

// job is n backups, one every so often, the newest ten hours old.
func job(name holdfast.JobName, n int, every time.Duration, size func(i int) int64) catalog.Job {
	j := catalog.Job{Host: name.Host, Name: name.Job}
	for i := range n {
		j.Backups = append(j.Backups, backup(name, noon.Add(-10*time.Hour-time.Duration(i)*every), size(i)))
	}
	return j
}

func steady(size int64) func(int) int64 { return func(int) int64 { return size } }

// sample is a status in which each field of the JSON has something.
func sample() Status {
	c := NewCollector("main", always(nightly()), noon)
	c.Observe(job(crm, 12, day, func(i int) int64 { return map[bool]int64{true: 9 * mb, false: 40*mb + int64(i)*1000}[i == 2] }))
	media := holdfast.JobName{Host: "web2", Job: "media"}
	bad := job(media, 20, day, steady(700*mb))
	bad.Backups[4].Held = true
	c.Observe(bad)
	fresh := holdfast.Finding{
		Check: holdfast.CheckFresh, Severity: holdfast.Critical, Host: "web2", Job: "media", Summary: "the newest good backup is 58h old",
		Expected: "every 24h, 2h grace", Actual: "58h old", Hint: "on the host: pusher doctor", Since: noon.Add(-9 * time.Hour),
	}
	hash := holdfast.Finding{
		Check: holdfast.CheckHash, Severity: holdfast.Critical, Host: "web2", Job: "media", Backup: bad.Backups[0].ID,
		Summary: "media.tar differs from its SHA-256", Hint: "holdfast verify", Since: noon.Add(-32 * time.Hour),
	}
	bucket := holdfast.Finding{Check: holdfast.CheckVersioning, Severity: holdfast.Warning, Summary: "the bucket keeps no versions", Since: noon.Add(-20 * day)}
	newest := idAt(noon.Add(-10 * time.Hour))
	v := c.Vault(Facts{
		At: noon, Reachable: true, Whole: true, Findings: []holdfast.Finding{bucket, fresh, hash},
		Jobs: []JobFacts{
			{JobName: crm, Last: newest, Size: 40 * mb, Usual: 40 * mb, Count: 12, Drill: &Drill{At: noon.Add(-3 * day), OK: true}},
			{JobName: media, Last: bad.Backups[2].ID, Size: 700 * mb, Usual: 700 * mb, Count: 19,
				Failures: []Failure{{At: noon.Add(-7 * time.Hour), Reason: "dump: tar: /srv/media: permission denied"}}},
		},
		Unwatched: []string{"old1/crm"},
		Silences:  []Silence{{Host: "web2", Job: "*", Until: noon.Add(2 * day)}, {Host: "web1", Job: "crm", Until: noon.Add(-day)}},
		Channels:  []Channel{{Name: "ops", Err: "post to Slack: 404 Not Found", Since: noon.Add(-5 * time.Hour)}, {Name: "mail"}},
		Cleaned:   Cleaned{At: noon.Add(-8 * time.Hour), Deleted: 4, Freed: 160 * mb},
		Price:     Price{PerGB: 0.023, Currency: "USD"},
		Previous:  &Vault{Past: []Total{{noon.Add(-40 * day), 11}, {noon.Add(-30 * day), 12_000 * mb}, {noon.Add(-2 * time.Hour), 12}}},
	})
	return Status{Version: FormatVersion, At: noon, Program: "holdfast 1.0", Vaults: []Vault{v}}
}

// golden compares a text with a file of testdata, or writes it there.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// crowd collects jobs of some backups each.
func crowd(jobs, backups int) Status {
	c := NewCollector("main", always(nightly()), noon)
	facts := Facts{At: noon, Reachable: true, Whole: true, Price: Price{0.023, "USD"}, Channels: []Channel{{Name: "ops"}}}
	for i := range jobs {
		name := holdfast.JobName{Host: fmt.Sprintf("web%d", i/10), Job: fmt.Sprintf("job-%d", i)}
		c.Observe(job(name, backups, day, func(n int) int64 { return int64(1+i%50)*12_345_678 + int64(n*n*7919%999_983) }))
		facts.Jobs = append(facts.Jobs, JobFacts{JobName: name, Last: idAt(noon.Add(-10 * time.Hour)), Size: 12 * mb, Usual: 12 * mb, Count: backups})
	}
	return Status{At: noon, Program: "holdfast 1.0", Vaults: []Vault{c.Vault(facts)}}
}
