package config

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

func (c *Holdfast) checkJob(d *document, name string, j Job) {
	at := join("jobs", name)
	c.checkJobName(d, at, name)
	if p := join(at, "vault"); d.given(p) {
		j.Vault.check(d, p, slices.Sorted(maps.Keys(c.Vaults)))
	} else if len(c.Vaults) > 1 && (c.isPushed(name) || !c.isAdopted(name)) {
		d.errorf(join(at, "vault"), "is missing; there are several: %s", oneOf(slices.Sorted(maps.Keys(c.Vaults))))
	}
	j.Expect.check(d, join(at, "expect"))
	j.Keep.check(d, join(at, "keep"))
	if p := join(at, "max_size"); d.given(p) && j.MaxSize <= 0 {
		d.errorf(p, "want more than 0")
	}
	if p := join(at, "max_per_day"); d.given(p) && j.MaxPerDay < 1 {
		d.errorf(p, "%d: want at least 1", j.MaxPerDay)
	}
	if _, err := location(j.TimeZone); err != nil {
		d.errorf(join(at, "time_zone"), "%v", err)
	}
}

// checkJobName notes a name that no host pushes and no vault adopts: a slip here would leave the job
// that was meant without its rules, in silence.
func (c *Holdfast) checkJobName(d *document, at, name string) {
	host, job, both := strings.Cut(name, "/")
	if !both {
		host, job = "", name
	}
	if err := holdfast.CheckName("job", job); err != nil {
		d.errorf(at, "%v", err)
		return
	}
	if c.isAdopted(name) {
		return
	}
	hosts := slices.Sorted(maps.Keys(c.Hosts))
	if both && !slices.Contains(hosts, host) {
		d.errorf(at, "unknown host %s", unknown(host, hosts))
		return
	}
	var known []string
	for _, h := range hosts {
		if both && h != host {
			continue
		}
		if mayPush(c.Hosts[h], job) {
			return
		}
		known = append(known, c.Hosts[h].Jobs...)
	}
	if len(hosts) == 0 {
		d.errorf(at, "no host pushes it; there are no hosts yet")
		return
	}
	slices.Sort(known)
	d.errorf(at, "no host pushes job %s", unknown(job, slices.Compact(known)))
}

// mayPush reports whether one of the host's patterns matches the job.
func mayPush(h Host, job string) bool {
	return slices.ContainsFunc(h.Jobs, func(pattern string) bool {
		ok, err := path.Match(pattern, job)
		return err == nil && ok
	})
}

func (e Expect) check(d *document, path string) {
	d.checkPositive(join(path, "every"), e.Every)
	if e.MinCount < 0 {
		d.errorf(join(path, "min_count"), "%d: want 0 or more", e.MinCount)
	}
	if e.Shrink != nil && (*e.Shrink < 0 || *e.Shrink >= 1) {
		d.errorf(join(path, "shrink"), "%v: want 0, or a ratio below 1", *e.Shrink)
	}
	if e.Grow != nil && *e.Grow != 0 && *e.Grow <= 1 {
		d.errorf(join(path, "grow"), "%v: want 0, or a ratio above 1", *e.Grow)
	}
}

// values returns the rules with their keys, the finest first.
func (k Keep) values() []keepRule {
	return []keepRule{
		{"all", k.All}, {"last", k.Last}, {"hourly", k.Hourly}, {"daily", k.Daily},
		{"weekly", k.Weekly}, {"monthly", k.Monthly}, {"yearly", k.Yearly},
	}
}

type keepRule struct {
	key   string
	value KeepValue
}

func (k Keep) check(d *document, path string) {
	words := map[holdfast.Form]string{holdfast.Windows: "a length of time", holdfast.Counts: "a number of backups"}
	var first keepRule
	for _, rule := range k.values() {
		form, at := rule.value.Form(), join(path, rule.key)
		switch {
		case form == holdfast.KeepAll:
		case rule.key == "all" && form == holdfast.Counts:
			d.errorf(at, "takes a length of time, such as 7d; for a number of backups there is last")
		case (rule.key == "last" || rule.key == "hourly") && form == holdfast.Windows:
			d.errorf(at, "takes a number of backups; for a length of time there is all")
		case first.key == "":
			first = rule
		case form != first.value.Form():
			d.errorf(at, "is %s, but %s is %s; want all of one kind", words[form], first.key, words[first.value.Form()])
		}
	}
	if at := join(path, "min_keep"); d.given(at) && k.MinKeep < 1 {
		d.errorf(at, "%d: want at least 1, so that a backup always stays", k.MinKeep)
	}
	if at := join(path, "max_total"); d.given(at) && k.MaxTotal <= 0 {
		d.errorf(at, "want more than 0; leave the key out for no limit")
	}
}

// location returns the time zone of that name, UTC for none.
func location(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" { // Local is another one on every machine
		return nil, fmt.Errorf("unknown time zone %q, want a name such as UTC or Europe/Paris", name)
	}
	return zone, nil
}
