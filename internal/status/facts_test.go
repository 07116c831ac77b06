package status

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

func TestTheStateIsThatOfTheWorstFinding(t *testing.T) {
	old, young := noon.Add(-3*day), noon.Add(-time.Hour)
	warning := holdfast.Finding{Severity: holdfast.Warning, Since: old}
	critical := holdfast.Finding{Severity: holdfast.Critical, Since: young}
	older := holdfast.Finding{Severity: holdfast.Critical, Since: noon.Add(-2 * day)}
	off := holdfast.Finding{Severity: "off", Since: old}
	for _, c := range []struct {
		name     string
		findings []holdfast.Finding
		state    string
		since    time.Time
	}{
		{"nothing is wrong", nil, OK, time.Time{}},
		{"what is switched off is not", []holdfast.Finding{off}, OK, time.Time{}},
		{"a warning", []holdfast.Finding{off, warning}, Warning, old},
		{"the worse one counts, with its own time", []holdfast.Finding{critical, warning}, Critical, young},
		{"also if it comes later", []holdfast.Finding{warning, critical}, Critical, young},
		{"of two the older one", []holdfast.Finding{critical, older, warning}, Critical, older.Since},
	} {
		if state, since := stateOf(c.findings); state != c.state || !since.Equal(c.since) {
			t.Errorf("%s: got %s since %s, want %s since %s", c.name, state, since, c.state, c.since)
		}
	}
}

func TestSilencesHoldUntilTheyEnd(t *testing.T) {
	until := noon.Add(day)
	for _, c := range []struct {
		name    string
		silence Silence
		want    time.Time
	}{
		{"the job", Silence{"web1", "crm", until}, until},
		{"its host", Silence{"web1", "*", until}, until},
		{"everything", Silence{"*", "*", until}, until},
		{"another job", Silence{"web1", "media", until}, time.Time{}},
		{"another host", Silence{"web2", "*", until}, time.Time{}},
		{"one that is over", Silence{"web1", "crm", noon}, time.Time{}},
	} {
		if got := silenced([]Silence{c.silence}, crm, noon); !got.Equal(c.want) {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func names(v Vault) (all []string) {
	for _, j := range v.Jobs {
		all = append(all, j.Host+"/"+j.Job+" "+j.State)
	}
	return all
}

func TestJobsThatARunWasNotAboutStay(t *testing.T) {
	previous := Vault{
		Name: "main", At: noon.Add(-time.Hour), Reachable: true, Unwatched: []string{"old1/crm"},
		Jobs: []Job{{Host: "web1", Job: "crm", State: Critical, Stored: 5}, {Host: "web1", Job: "media", State: Warning, Stored: 7}},
	}
	facts := Facts{At: noon, Reachable: true, Previous: &previous, Jobs: []JobFacts{{JobName: crm, Count: 1}}}
	for _, c := range []struct {
		name  string
		facts func(*Facts)
		want  []string
		at    time.Time
	}{
		{"a run about one job judges that one", func(*Facts) {}, []string{"web1/crm ok", "web1/media warning"}, previous.At},
		{"a run about all forgets what is gone", func(f *Facts) { f.Whole = true }, []string{"web1/crm ok"}, noon},
		{"what cannot be reached stays as it was", func(f *Facts) { f.Whole, f.Reachable, f.Jobs = true, false, nil }, []string{"web1/crm critical", "web1/media warning"}, previous.At},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := facts
			c.facts(&f)
			v := NewCollector("main", always(nightly()), noon).Vault(f)
			if diff := cmp.Diff(c.want, names(v)); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
			if !v.At.Equal(c.at) {
				t.Errorf("at: got %s, want %s", v.At, c.at)
			}
		})
	}
}

func TestGrowthIsMeasuredOverThirtyDays(t *testing.T) {
	var previous *Vault
	for d := range 40 {
		at := noon.AddDate(0, 0, d)
		c := NewCollector("main", always(nightly()), at)
		c.Observe(job(crm, 1, day, steady(int64(d+1)*1000*mb)))
		for _, hour := range []int{0, 6} { // two runs a day
			v := c.Vault(Facts{
				At: at.Add(time.Duration(hour) * time.Hour), Reachable: true, Whole: true, Previous: previous,
				Jobs: []JobFacts{{JobName: crm}}, Price: Price{0.5, "EUR"},
			})
			if known := d >= 30; known != (v.Growth != nil) {
				t.Fatalf("day %d: growth is %v", d, v.Growth)
			}
			if v.Growth != nil && *v.Growth != 30_000*mb {
				t.Errorf("day %d: got growth %d, want 30 GB", d, *v.Growth)
			}
			if n := len(v.Past); n < min(d+1, pastDays) || n > pastDays+1 {
				t.Errorf("day %d: %d totals are remembered", d, n)
			}
			if d == 39 {
				if diff := cmp.Diff(&Cost{"EUR", 20, 35}, v.Cost); diff != "" {
					t.Errorf("cost (-want +got):\n%s", diff)
				}
			}
			previous = &v
		}
	}
}

func TestABadBackupIsMarked(t *testing.T) {
	backups := []Backup{{ID: idAt(noon)}, {ID: idAt(noon.Add(day))}}
	fault(backups, []holdfast.Finding{
		{Check: holdfast.CheckHash, Severity: holdfast.Critical, Backup: backups[1].ID},
		{Check: holdfast.CheckHash, Severity: holdfast.Warning, Backup: backups[0].ID},   // only unread
		{Check: holdfast.CheckFresh, Severity: holdfast.Critical, Backup: backups[0].ID}, // good, but old
	})
	if backups[0].Fault != "" || backups[1].Fault != "hash" {
		t.Errorf("got faults %q and %q, want none and hash", backups[0].Fault, backups[1].Fault)
	}
}

func TestRulesInWords(t *testing.T) {
	for _, c := range []struct {
		keep holdfast.Keep
		want string
	}{
		{holdfast.Keep{}, "everything"},
		{nightly().Keep, "7d all, 16d daily, 8w weekly; always the newest 3"},
		{holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Last: 10, Daily: 7}, MaxTotal: 5000 * mb, MinKeep: 1}, "10 last, 7 daily; at most 5GB; always the newest 1"},
		{holdfast.Keep{MaxTotal: 5000 * mb, MinKeep: 3}, "everything; at most 5GB; always the newest 3"},
	} {
		if got := keepWords(c.keep); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
