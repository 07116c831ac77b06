package page_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
	"github.com/holdfast-backup/holdfast/internal/retention"
	"github.com/holdfast-backup/holdfast/internal/status"
)

const (
	day = 24 * time.Hour
	mb  = 1_000_000
)

// noon is the time of the pages.
var noon = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

// sample makes up a vault, and shows it through the same code as the monitor.
type sample struct {
	random    *rand.Rand
	facts     status.Facts
	policies  map[holdfast.JobName]holdfast.Policy
	collector *status.Collector
}

func newSample(vault string) *sample {
	s := &sample{random: rand.New(rand.NewPCG(4, 4)), policies: map[holdfast.JobName]holdfast.Policy{}}
	s.facts = status.Facts{
		At: noon, Reachable: true, Whole: true, Price: status.Price{PerGB: 0.023, Currency: "USD"},
		Cleaned:  status.Cleaned{At: noon.Add(-8 * time.Hour), Deleted: 4, Freed: 731 * mb},
		Channels: []status.Channel{{Name: "ops"}, {Name: "mail"}},
	}
	s.collector = status.NewCollector(vault, func(host, job string) (holdfast.Policy, bool) {
		p, ok := s.policies[holdfast.JobName{Host: host, Job: job}]
		return p, ok
	}, noon)
	return s
}

func span(text string) holdfast.Span {
	s, err := holdfast.ParseSpan(text)
	if err != nil {
		panic(err)
	}
	return s
}

func policy(every, all string) holdfast.Policy {
	return holdfast.Policy{
		Keep: holdfast.Keep{Form: holdfast.Windows, MinKeep: 3, Windows: holdfast.KeepWindows{
			All: span(all), Daily: span("16d"), Weekly: span("8w"), Monthly: span("4mo"), Yearly: span("2y"),
		}},
		Expect: holdfast.Expect{Every: span(every), Grace: span("2h"), Shrink: 0.5, Grow: 3},
	}
}

// plan says what a made-up job looks like.
type plan struct {
	host, job string
	every     string // "24h" if empty
	size      int64  // of a backup, at the end
	growth    float64
	history   time.Duration      // default 500 days, -1 for none
	late      time.Duration      // how long ago the newest should have come
	odd       map[int]float64    // factors of the size, by how many backups ago
	findings  []holdfast.Finding // of the job
	failures  []status.Failure
	drill     *status.Drill
	held      int
}

func (s *sample) add(p plan) {
	if p.every == "" {
		p.every = "24h"
	}
	if p.history == 0 {
		p.history = 500 * day
	}
	name := holdfast.JobName{Host: p.host, Job: p.job}
	pol := policy(p.every, "7d")
	if p.every == "1h" {
		pol = policy(p.every, "1d")
	}
	s.policies[name] = pol
	job := s.past(name, p, pol)
	s.collector.Observe(job)
	facts := status.JobFacts{JobName: name, Count: len(job.Backups), Usual: p.size, Failures: p.failures, Drill: p.drill}
	if len(job.Backups) > 0 {
		facts.Last, facts.Size = job.Backups[0].ID, job.Backups[0].DataSize()
	}
	s.facts.Jobs = append(s.facts.Jobs, facts)
	for _, f := range p.findings {
		f.Host, f.Job = p.host, p.job
		s.facts.Findings = append(s.facts.Findings, f)
	}
}

// past makes the backups of a job, of which retention has left what its rules keep.
func (s *sample) past(name holdfast.JobName, p plan, pol holdfast.Policy) catalog.Job {
	job := catalog.Job{Host: name.Host, Name: name.Job}
	every := pol.Expect.Every.Duration()
	newest := noon.Add(-time.Duration(s.random.IntN(600))*time.Second - 10*time.Hour - p.late)
	if every < 10*time.Hour {
		newest = noon.Add(-20*time.Minute - p.late)
	}
	for i := 0; time.Duration(i)*every < p.history; i++ {
		at := newest.Add(-time.Duration(i) * every).Add(time.Duration(s.random.IntN(240)) * time.Second)
		id, err := holdfast.NewID(at, strings.NewReader(fmt.Sprintf("%c%c%c%c", s.random.IntN(100), s.random.IntN(100), s.random.IntN(100), s.random.IntN(100))))
		if err != nil {
			panic(err)
		}
		age := float64(i) * every.Hours() / 24 / 365
		size := float64(p.size) * math.Pow(1-p.growth, age) * (1 + 0.02*s.random.NormFloat64())
		if factor, ok := p.odd[i]; ok {
			size *= factor
		}
		ref := holdfast.Ref{Host: name.Host, Job: name.Job, ID: id}
		took := time.Duration(20+size/3/mb*(0.9+0.3*s.random.Float64())) * time.Second
		job.Backups = append(job.Backups, holdfast.Backup{
			Ref: ref, Committed: true, Held: p.held > 0 && i == p.held,
			Manifest: holdfast.Object{Key: ref.ManifestKey(), Size: 2000, ModTime: at.Add(took)},
			Data:     []holdfast.Object{{Key: ref.Key(name.Job + ".sql.zst.age"), Size: int64(size)}},
		})
	}
	kept := job.Backups[:0]
	for i, d := range retention.Plan(pol.Keep, job.Backups, noon.Add(-12*time.Hour)) {
		if d.Keep || !d.Good {
			kept = append(kept, job.Backups[i])
		}
	}
	job.Backups = kept
	return job
}

// status returns the page's contents, a month after the vault held less.
func (s *sample) status() status.Status {
	v := s.collector.Vault(s.facts)
	s.facts.Previous = &status.Vault{Past: []status.Total{{At: noon.Add(-30 * day), Stored: v.Stored * 93 / 100}}}
	return status.Status{Version: status.FormatVersion, At: noon, Program: "holdfast 1.0", Vaults: []status.Vault{s.collector.Vault(s.facts)}}
}

func threeJobs() status.Status {
	s := newSample("main")
	drill := &status.Drill{At: noon.Add(-12 * day), OK: true}
	s.add(plan{host: "web1", job: "crm", size: 412 * mb, growth: 0.35, drill: drill, odd: map[int]float64{4: 0.31}})
	s.add(plan{host: "web1", job: "media", size: 3_800 * mb, growth: 0.2, held: 3})
	s.add(plan{host: "db1", job: "orders", every: "1h", size: 96 * mb, growth: 0.1, drill: drill})
	return s.status()
}

// manyJobs are n jobs of ten on each host, of which a few are not well.
func manyJobs(n int) status.Status {
	s := newSample("main")
	names := []string{"crm", "media", "orders", "wiki", "mail", "git", "billing", "stats", "photos", "etc"}
	for i := range n {
		p := plan{
			host: fmt.Sprintf("web%d", i/10+1), job: names[i%10], growth: 0.3, history: time.Duration(30+(i*37)%700) * day,
			size: int64(5*mb) << (i * 7 % 9),
		}
		switch i {
		case n / 3:
			p.late = 30 * time.Hour
			p.findings = []holdfast.Finding{stale("40h", noon.Add(-14*time.Hour))}
		case n / 2:
			p.odd = map[int]float64{0: 0.2}
			p.findings = []holdfast.Finding{shrunk(noon.Add(-9 * time.Hour))}
		case n / 4, n / 5:
			p.odd = map[int]float64{0: 3.4}
			p.findings = []holdfast.Finding{{Check: holdfast.CheckGrown, Severity: holdfast.Warning, Since: noon.Add(-9 * time.Hour),
				Summary: p.job + ".sql is 3.4 times its usual size", Expected: "at most 3 times", Hint: "see what is backed up that was not before"}}
		case n / 6:
			s.facts.Silences = append(s.facts.Silences, status.Silence{Host: p.host, Job: p.job, Until: noon.Add(2 * day)})
		}
		s.add(p)
	}
	return s.status()
}

func stale(age string, since time.Time) holdfast.Finding {
	return holdfast.Finding{Check: holdfast.CheckFresh, Severity: holdfast.Critical, Since: since,
		Summary: "the newest good backup is " + age + " old", Expected: "every 24h, 2h grace", Actual: age + " old", Hint: "on the host: pusher doctor"}
}

func shrunk(since time.Time) holdfast.Finding {
	return holdfast.Finding{Check: holdfast.CheckShrunk, Severity: holdfast.Warning, Since: since,
		Summary: "crm.sql is 0.2 times its usual size", Expected: "at least 0.5 times", Actual: "8.2MB, usual 41MB",
		Hint: "was data deleted? if not: holdfast hold crm@20260313T020000Z-0a1b2c3d"}
}

// badDay has one of everything that can be wrong.
func badDay() status.Status {
	s := newSample("main")
	failures := []status.Failure{
		{At: noon.Add(-9 * time.Hour), Reason: "dump: pg_dump: error: connection to server at \"db1\" failed: FATAL: password authentication failed for user \"backup\""},
		{At: noon.Add(-33 * time.Hour), Reason: "dump: pg_dump: error: connection to server at \"db1\" failed: Connection refused"},
	}
	s.add(plan{host: "db1", job: "orders", size: 96 * mb, growth: 0.1, late: 48 * time.Hour, failures: failures, findings: []holdfast.Finding{
		stale("58h", noon.Add(-32*time.Hour)),
		{Check: holdfast.CheckFailedRun, Severity: holdfast.Warning, Since: noon.Add(-33 * time.Hour),
			Summary: "the last run failed: dump: pg_dump: FATAL: password authentication failed for user \"backup\"", Hint: "on the host: pusher doctor orders"},
	}})
	s.add(plan{host: "web1", job: "crm", size: 412 * mb, growth: 0.35, odd: map[int]float64{0: 0.04}, findings: []holdfast.Finding{
		{Check: holdfast.CheckCompression, Severity: holdfast.Critical, Since: noon.Add(-9 * time.Hour), Summary: "crm.sql hardly compresses: ratio 1.0, usual 6.3",
			Expected: "at least 1.1", Actual: "1.0", Hint: "have files on web1 been encrypted? first: holdfast hold crm@20260313T020000Z-0a1b2c3d"},
		shrunk(noon.Add(-9 * time.Hour)),
	}})
	s.add(plan{host: "web2", job: "wiki", history: -1, findings: []holdfast.Finding{
		{Check: holdfast.CheckMissing, Severity: holdfast.Critical, Since: noon.Add(-3 * day), Summary: "there is no good backup",
			Actual: "none since the job was first known, 2026-03-10 12:00 UTC", Hint: "on the host: pusher doctor, pusher run wiki"},
	}})
	s.add(plan{host: "web2", job: "media", size: 3_800 * mb, growth: 0.2, drill: &status.Drill{At: noon.Add(-2 * day)}, findings: []holdfast.Finding{
		{Check: holdfast.CheckRetentionBrake, Severity: holdfast.Warning, Since: noon.Add(-8 * time.Hour),
			Summary: "retention would delete 31 of 40 good backups, and refused", Expected: "at most half", Hint: "holdfast clean --dry-run web2/media"},
	}})
	s.add(plan{host: "web1", job: "etc", size: 3 * mb, history: 80 * day})
	s.add(plan{host: "db1", job: "stats", size: 9_120 * mb, growth: 0.6, every: "12h"})
	s.facts.Silences = []status.Silence{{Host: "web2", Job: "wiki", Until: noon.Add(27 * time.Hour)}}
	s.facts.Findings = append(s.facts.Findings, holdfast.Finding{Check: holdfast.CheckVersioning, Severity: holdfast.Warning, Since: noon.Add(-20 * day),
		Summary: "the bucket keeps no versions", Hint: "switch versioning on"})
	s.facts.Channels[0].Err, s.facts.Channels[0].Since = "post to Slack: 404 Not Found: no_service", noon.Add(-5*time.Hour)
	s.facts.Cleaned.Failed = true
	s.facts.Unwatched = []string{"old1/crm"}
	return s.status()
}
