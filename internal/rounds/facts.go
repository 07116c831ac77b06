package rounds

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/monitor"
	"github.com/holdfast-backup/holdfast/internal/status"
)

// What one part says of a vault, in the words of the next.

// facts returns what the monitor says, for the page.
func (w *Watcher) facts(name string, r monitor.Result) status.Facts {
	price := w.o.Registry().Price(name)
	f := status.Facts{
		At: r.At, Reachable: r.Judged, Whole: r.Whole, Findings: slices.Clone(r.Open), Unwatched: r.Unwatched,
		Price: status.Price{PerGB: price.Amount, Currency: price.Currency},
	}
	severities := w.o.Registry().Alerts().Severity
	for i := range f.Findings {
		f.Findings[i].Severity = holdfast.Severity(cmp.Or(severities[f.Findings[i].Check], string(f.Findings[i].Severity)))
	}
	for _, j := range r.Jobs {
		facts := status.JobFacts{JobName: holdfast.JobName{Host: j.Host, Job: j.Job}, Usual: j.Usual, Count: j.Count}
		if j.Newest != nil {
			facts.Last, facts.Size = j.Newest.ID, j.Newest.Size
		}
		if j.Drill != nil {
			facts.Drill = &status.Drill{At: j.Drill.ID.Time(), OK: j.Drill.OK}
		}
		for _, failed := range j.Failures {
			facts.Failures = append(facts.Failures, status.Failure{At: failed.ID.Time(), Reason: failed.Reason})
		}
		f.Jobs = append(f.Jobs, facts)
	}
	if c := r.Cleaned; c != nil {
		f.Cleaned = status.Cleaned{At: c.At, Deleted: c.Deleted, Freed: c.Freed, Failed: c.Error != "" || len(c.Findings) > 0}
	}
	return f
}

// input returns what the monitor says, for those who tell people.
func input(r monitor.Result, now status.Vault) alert.Input {
	in := alert.Input{
		At: r.At, Revision: r.Revision, Open: r.Open, Whole: r.Whole, Jobs: map[holdfast.JobName]alert.Job{},
		Overview: func(since time.Time) holdfast.Overview { return overview(now, since) },
	}
	for _, j := range r.Jobs {
		job := alert.Job{}
		if j.Newest != nil {
			job.Last = &holdfast.LastBackup{ID: j.Newest.ID, Size: j.Newest.Size, Usual: j.Usual}
		}
		in.Jobs[holdfast.JobName{Host: j.Host, Job: j.Job}] = job
	}
	if c := r.Cleaned; c != nil && c.Error == "" && len(c.Findings) == 0 {
		in.Cleaned = alert.Cleaned{At: c.At, Deleted: c.Deleted, Freed: c.Freed}
	}
	return in
}

// maxOpen is how much of what is wrong a digest names.
const maxOpen = 20

// overview sums a vault up.
func overview(v status.Vault, since time.Time) holdfast.Overview {
	o := holdfast.Overview{From: since, Jobs: len(v.Jobs), Stored: v.Stored}
	open, lasts := v.Findings, map[holdfast.JobName]*holdfast.LastBackup{}
	for _, j := range v.Jobs {
		if j.Last != nil {
			lasts[holdfast.JobName{Host: j.Host, Job: j.Job}] = &holdfast.LastBackup{ID: j.Last.ID, Size: j.Last.Size, Usual: j.Usual}
		}
		switch j.State {
		case status.OK:
			o.OK++
		case status.Warning:
			o.Warning++
		default:
			o.Critical++
		}
		if !j.Silenced.IsZero() {
			o.Silenced++
		}
		for _, b := range j.Backups {
			if !b.ID.Time().Before(since) {
				o.Backups++
			}
		}
		open = append(open[:len(open):len(open)], j.Findings...)
	}
	for _, total := range v.Past { // oldest first
		if !total.At.After(since.Add(12 * time.Hour)) {
			o.Grown = v.Stored - total.Stored
		}
	}
	for _, severity := range []holdfast.Severity{holdfast.Critical, holdfast.Warning} {
		for _, f := range open {
			if f.Severity == severity && len(o.Open) < maxOpen {
				o.Open = append(o.Open, holdfast.Item{Event: f.Event(), Step: holdfast.Ongoing, At: f.Since, Finding: f, Last: lasts[holdfast.JobName{Host: f.Host, Job: f.Job}]})
			}
		}
	}
	return o
}

// channels and silences return what those who tell people say, for the page.
func channels(o alert.Outcome) []status.Channel {
	var all []status.Channel
	for _, c := range o.Channels {
		all = append(all, status.Channel{Name: c.Channel, Err: c.Err, Since: c.Since})
	}
	return all
}

func silences(o alert.Outcome) []status.Silence {
	var all []status.Silence
	for _, s := range o.Silences {
		all = append(all, status.Silence{Host: s.Host, Job: s.Job, Until: s.Until})
	}
	return all
}

// rules returns who is told what, by the configuration that is in force.
func (w *Watcher) rules() alert.Rules {
	registry := w.o.Registry()
	alerts := registry.Alerts()
	rules := alert.Rules{Channels: map[string]alert.Rule{}, Severity: map[string]holdfast.Severity{}, Wants: registry.Tells}
	for check, severity := range alerts.Severity {
		rules.Severity[check] = holdfast.Severity(severity)
	}
	for name, c := range alerts.Channels {
		rule := alert.Rule{Remind: c.Remind.Every.Duration(), Least: c.Severity}
		if c.Digest.On {
			zone := config.Zone(c.TimeZone)
			rule.Digest = func(now time.Time) time.Time { return c.Digest.Before(now.In(zone)).UTC() }
		}
		rules.Channels[name] = rule
	}
	return rules
}
