package main

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/adopt/survey"
	"github.com/holdfast-backup/holdfast/internal/catalog"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/retention"
	"github.com/holdfast-backup/holdfast/internal/vault/adopt"
)

// adoptable is what was found in one place, as adopt --json shows it.
type adoptable struct {
	Vault    string           `json:"vault"`
	Dir      string           `json:"dir,omitempty"`
	Jobs     []adoptedJob     `json:"jobs"`
	Overlaps []survey.Overlap `json:"overlaps,omitempty"` // of the entries that the configuration has
	Unread   survey.Unread    `json:"unrecognised"`
	Lines    string           `json:"lines,omitempty"` // for holdfast.yaml
}

// adoptedJob is a job of adopted backups.
type adoptedJob struct {
	Host       string        `json:"host"`
	Job        string        `json:"job"`
	Rules      []adoptRule   `json:"rules"`
	Entry      *config.Job   `json:"-"`       // that is proposed; nil where there is one
	Backups    int           `json:"backups"` // good ones
	Bytes      int64         `json:"bytes"`
	Oldest     time.Time     `json:"oldest,omitzero"`
	Newest     time.Time     `json:"newest,omitzero"`
	Unfinished int           `json:"unfinished,omitempty"` // that may still be written to
	Future     int           `json:"future,omitempty"`     // of times to come
	Every      holdfast.Span `json:"every"`                // expected
	Keeps      int           `json:"keeps"`                // by the policy
	KeepsBytes int64         `json:"keeps_bytes"`
	GivesUp    int           `json:"gives_up"`
	Braked     string        `json:"braked,omitempty"` // why retention would refuse to delete these
}

// adoptRule is an entry of adopt, one there is or one to add.
type adoptRule struct {
	Pattern    string `json:"pattern"`
	Below      string `json:"below,omitempty"`
	TimeZone   string `json:"time_zone,omitempty"`
	Delete     bool   `json:"delete"`
	Configured bool   `json:"configured"` // it is there
}

// plan says of all that is adopted, and would be, what the policies keep of it.
func (a *adoption) plan(ctx context.Context, source adopt.Source, found adoptable, c *config.Holdfast, proposals []survey.Proposal) (adoptable, error) {
	found.Jobs = []adoptedJob{}
	rules := slices.Clone(c.Vaults[found.Vault].Adopt)
	for _, rule := range rules {
		found.add(rule, true)
	}
	for _, p := range proposals {
		rule := config.Adopt{Host: a.host, Job: p.Job, Pattern: p.Pattern, Below: p.Below}
		if a.zone != "UTC" {
			rule.TimeZone = a.zone
		}
		rules = append(rules, rule)
		found.add(rule, false)
	}
	o := adopt.Options{Now: time.Now, Shared: true}
	for _, r := range rules {
		o.Entries = append(o.Entries, adopt.Entry{Host: r.Host, Job: r.Job, Pattern: r.Pattern, Below: r.Below, Zone: config.Zone(r.TimeZone), Delete: true})
	}
	objects, err := adopt.List(ctx, source, o)
	if err != nil {
		return found, err
	}
	now := time.Now()
	for i := range found.Jobs {
		if err := found.Jobs[i].judge(ctx, objectList(objects), found.Vault, c, now); err != nil {
			return found, err
		}
	}
	found.Lines = found.lines()
	return found, nil
}

// add adds a rule to its job.
func (found *adoptable) add(rule config.Adopt, configured bool) {
	at := slices.IndexFunc(found.Jobs, func(j adoptedJob) bool { return j.Host == rule.Host && j.Job == rule.Job })
	if at < 0 {
		at = len(found.Jobs)
		found.Jobs = append(found.Jobs, adoptedJob{Host: rule.Host, Job: rule.Job})
	}
	j := &found.Jobs[at]
	j.Rules = append(j.Rules, adoptRule{rule.Pattern, rule.Below, rule.TimeZone, rule.Delete, configured})
}

// judge counts the job's backups and says what its policy keeps of them.
func (j *adoptedJob) judge(ctx context.Context, objects holdfast.Lister, vault string, c *config.Holdfast, now time.Time) error {
	job, err := catalog.Find(ctx, objects, j.Host, j.Job)
	if err != nil && !errors.Is(err, holdfast.ErrNotExist) {
		return err
	}
	var times []time.Time // newest first
	for _, b := range job.Backups {
		switch {
		case b.Future(now):
			j.Future++
		case !b.Committed:
			j.Unfinished++
		case b.Good(now):
			times = append(times, b.Time())
			j.Bytes += b.Size()
		}
	}
	if j.Backups = len(times); j.Backups > 0 {
		j.Oldest, j.Newest = times[len(times)-1], times[0]
	}
	policy, err := j.policy(vault, c, usualInterval(times))
	if err != nil {
		return err
	}
	j.Every = policy.Expect.Every
	decisions := retention.Plan(policy.Keep, job.Backups, now)
	for _, d := range decisions {
		switch {
		case !d.Keep:
			j.GivesUp++
		case d.Good:
			j.Keeps++
			j.KeepsBytes += d.Size
		}
	}
	if f := retention.Brake(decisions, policy.Keep, policy.Expect, now); f != nil {
		j.Braked = f.Summary
	}
	return nil
}

// policy returns that of the configuration, or the one that is proposed where it has
// none for the job.
func (j *adoptedJob) policy(vault string, c *config.Holdfast, every holdfast.Span) (holdfast.Policy, error) {
	name := j.Host + "/" + j.Job
	_, given := c.Jobs[name]
	if !given {
		_, given = c.Jobs[j.Job]
	}
	if !given && !j.Rules[0].Configured {
		j.Entry = &config.Job{Keep: usualKeep(), Expect: config.Expect{Every: every}}
		return j.Entry.Policy()
	}
	would := *c
	would.Vaults = maps.Clone(c.Vaults)
	v := would.Vaults[vault]
	v.Adopt = append(slices.Clone(v.Adopt), config.Adopt{Host: j.Host, Job: j.Job})
	would.Vaults[vault] = v
	registry, err := would.Registry()
	if err != nil {
		return holdfast.Policy{}, err
	}
	policy, _ := registry.PolicyIn(vault, j.Host, j.Job)
	return policy, nil
}

// usualKeep is the policy that is proposed: that of spatie/laravel-backup.
func usualKeep() config.Keep {
	length := func(n int, unit holdfast.Unit) config.KeepValue {
		return config.KeepValue{Length: holdfast.Span{N: n, Unit: unit}}
	}
	return config.Keep{
		All: length(7, holdfast.Day), Daily: length(16, holdfast.Day), Weekly: length(8, holdfast.Week),
		Monthly: length(4, holdfast.Month), Yearly: length(2, holdfast.Year),
	}
}

// usualInterval returns how often backups come whose times are these: the median,
// as people say it.
func usualInterval(times []time.Time) holdfast.Span {
	var between []float64
	for i := 1; i < len(times); i++ {
		between = append(between, float64(times[i-1].Sub(times[i])))
	}
	day := holdfast.Span{N: 24, Unit: holdfast.Hour}
	if len(between) == 0 {
		return day
	}
	usual := time.Duration(catalog.Median(between))
	for _, hours := range []int{1, 2, 3, 4, 6, 8, 12, 24} {
		if span := (holdfast.Span{N: hours, Unit: holdfast.Hour}); usual <= span.Duration()*11/10 {
			return span
		}
	}
	for _, span := range []holdfast.Span{{N: 7, Unit: holdfast.Day}, {N: 1, Unit: holdfast.Month}} {
		if usual <= span.Duration()*11/10 {
			return span
		}
	}
	return holdfast.Span{N: 1, Unit: holdfast.Year}
}

// objectList is a listing.
type objectList []holdfast.Object

func (l objectList) List(_ context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		for _, o := range l {
			if strings.HasPrefix(o.Key, prefix) && !yield(o, nil) {
				return
			}
		}
	}
}
