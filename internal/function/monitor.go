package function

import (
	"context"
	"maps"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/awsenv"
	"github.com/holdfast-backup/holdfast/internal/monitor"
	"github.com/holdfast-backup/holdfast/internal/rounds"
)

// monitorMargin is what is left of an invocation's time for remembering what was
// found and saying it.
const monitorMargin = 40 * time.Second

// reread is how much of the stored data each scheduled run reads again, for a few
// seconds: at a run every five minutes at most 77 GB a day.
const reread int64 = 256 << 20 // bytes

// Monitor returns the function that judges all vaults. An event of S3 has it
// judge only the jobs of which something has arrived; any other event, all.
func Monitor(e Env) Handler {
	return monitoring{e, configurations(e), e.metrics("monitor")}.handle
}

type monitoring struct {
	env            Env
	configurations *awsenv.Cache[*live]
	metrics        metrics
}

// judged is what came of one vault.
type judged struct {
	all []monitor.Result
	err error
}

func (m monitoring) handle(ctx context.Context, event []byte) (any, error) {
	records, some := notification(event)
	t := tally{metrics: m.metrics, part: some}
	defer t.put()
	l, err := m.configurations.Get(ctx)
	if err != nil {
		return nil, err
	}
	vaults, jobs := rounds.ToMonitor(l.vaults), map[string][]holdfast.JobName(nil)
	if some {
		jobs = arrived(m.env.Log, l, records)
		maps.DeleteFunc(vaults, func(name string, _ monitor.Vault) bool { return jobs[name] == nil })
	}
	working, cancel := beforeDeadline(ctx, monitorMargin)
	defer cancel()
	for _, j := range inEach(vaults, func(name string, vault monitor.Vault) judged {
		o := monitor.Options{HashBytes: reread}
		if some {
			o = monitor.Options{Jobs: jobs[name]}
		}
		all, err := l.rounds(m.env).Monitor(working, map[string]monitor.Vault{name: vault}, o)
		return judged{all, err}
	}) {
		m.say(&t, l, j)
	}
	// An alarm goes off when something goes wrong, and again only after it was
	// over: this is what is new, while something else may have been wrong for days.
	m.metrics.ofFunction(count("Opened", t.opened))
	t.over = true
	return nil, t.verdict()
}

// say logs what came of one vault and counts it.
func (m monitoring) say(t *tally, l *live, j judged) {
	for _, result := range j.all {
		logResult(m.env.Log, result)
		t.findings = append(t.findings, result.Findings...)
		for _, change := range result.Transitions {
			if change.Change == monitor.Opened || change.Change == monitor.Worsened {
				t.opened++
			}
		}
		if j.err == nil && !t.part {
			m.metrics.ofVault(result.Vault, figures(result, l.registry.Revoked)...)
		}
	}
	if j.err != nil {
		t.errs = append(t.errs, j.err)
		m.env.Log.Error("monitor", "err", j.err)
	}
}

// figures returns the metrics of a vault. The age is the largest of the watched
// jobs' newest backups; of a revoked host nothing new is expected.
func figures(r monitor.Result, revoked func(host string) bool) []awsenv.Metric {
	var backups, stored, age int64
	known := false
	for _, j := range r.Jobs {
		backups += int64(j.Count)
		stored += j.Total
		if j.Newest != nil && !revoked(j.Host) {
			age, known = max(age, j.Newest.AgeSeconds), true
		}
	}
	all := []awsenv.Metric{
		{Name: "Backups", Unit: awsenv.Count, Value: backups},
		{Name: "StoredBytes", Unit: awsenv.Bytes, Value: stored},
	}
	if known {
		all = append(all, awsenv.Metric{Name: "NewestAge", Unit: awsenv.Seconds, Value: age})
	}
	return all
}
