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
// found, telling people, writing the page and the heartbeat: see rounds.Watcher.
const monitorMargin = 150 * time.Second

// reread is how much of the stored data each scheduled run reads again, for a few
// seconds: at a run every five minutes at most 77 GB a day.
const reread int64 = 256 << 20 // bytes

// Monitor returns the function that judges all vaults. An event of S3 has it
// judge only the jobs of which something has arrived; any other event, all.
func Monitor(open OpenChannels) func(Env) Handler {
	return func(e Env) Handler {
		return monitoring{e, configurations(e, open), e.metrics("monitor")}.handle
	}
}

type monitoring struct {
	env            Env
	configurations *awsenv.Cache[*live]
	metrics        metrics
}

func (m monitoring) handle(ctx context.Context, event []byte) (any, error) {
	records, some := notification(event)
	t := tally{metrics: m.metrics, part: some}
	defer t.put()
	l, err := m.configurations.Get(ctx)
	if err != nil {
		return nil, err
	}
	vaults, jobs := maps.Clone(l.vaults), map[string][]holdfast.JobName(nil)
	if some {
		jobs = arrived(m.env.Log, l, records)
		maps.DeleteFunc(vaults, func(name string, _ holdfast.Vault) bool { return jobs[name] == nil })
	} else {
		m.beat(l.watcher.Begin(ctx))
	}
	working, cancel := beforeDeadline(ctx, monitorMargin)
	defer cancel()
	fine := true
	for _, round := range inEach(vaults, func(name string, vault holdfast.Vault) rounds.Watched {
		o := monitor.Options{HashBytes: reread}
		if some {
			o = monitor.Options{Jobs: jobs[name]}
		}
		return l.watcher.Vault(working, name, vault, o)
	}) {
		m.say(&t, l, round)
		fine = fine && round.Fine()
	}
	if !some {
		m.beat(l.watcher.End(ctx, fine))
	}
	// An alarm goes off when something goes wrong, and again only after it was
	// over: this is what is new, while something else may have been wrong for days.
	m.metrics.ofFunction(count("Opened", t.opened))
	t.over = true
	return nil, t.verdict()
}

// beat logs a heartbeat that did not arrive: what watches it will notice.
func (m monitoring) beat(err error) {
	if err != nil {
		m.env.Log.Warn("heartbeat", "err", err)
	}
}

// say logs what came of one vault and counts it. That a channel fails is no failure
// of the monitor: the others tell of it, and where none can the heartbeat stops.
func (m monitoring) say(t *tally, l *live, round rounds.Watched) {
	logResult(m.env.Log, round.Result)
	round.LogTelling(m.env.Log)
	t.findings = append(t.findings, round.Findings...)
	for _, change := range round.Transitions {
		if change.Change == monitor.Opened || change.Change == monitor.Worsened {
			t.opened++
		}
	}
	if round.Judging == nil && !t.part {
		m.metrics.ofVault(round.Vault, figures(round.Result, l.registry.Revoked)...)
	}
	if round.Judging != nil {
		t.errs = append(t.errs, round.Judging)
		m.env.Log.Error("monitor", "err", round.Judging)
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
