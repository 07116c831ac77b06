package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/adopt/pattern"
)

// Adopt makes backups of something else's making appear as those of a job, so
// that they are watched and, once delete is set, thinned out.
type Adopt struct {
	// The host to show them as. It need not be one of hosts.
	Host string `yaml:"host"`
	// The job to show them as; its entry below jobs says what is kept and expected.
	Job string `yaml:"job"`
	// Which files: spatie, dbbackup, stamp, or a pattern of your own with {year} {month} {day} {hour}
	// {minute} {second} and *, such as `dumps/crm_{year}{month}{day}.sql.gz`. `holdfast adopt` proposes them.
	Pattern string `yaml:"pattern"`
	// Only below this folder of the vault, which paths in the pattern then begin at. Default: anywhere in it.
	Below string `yaml:"below"`
	// Time zone of the times in the names. Default UTC.
	TimeZone string `yaml:"time_zone"`
	// Let retention delete them. Default: it only says what it would delete.
	Delete bool `yaml:"delete"`
}

// name returns the job that the files are shown as.
func (a Adopt) name() holdfast.JobName { return holdfast.JobName{Host: a.Host, Job: a.Job} }

func (a Adopt) check(d *document, at string) {
	if d.required(join(at, "host"), a.Host) {
		d.checkName(join(at, "host"), "host", a.Host)
	}
	if d.required(join(at, "job"), a.Job) {
		d.checkName(join(at, "job"), "job", a.Job)
	}
	if d.required(join(at, "pattern"), a.Pattern) {
		if _, err := pattern.Parse(a.Pattern); err != nil {
			d.errorf(join(at, "pattern"), "%v", err)
		}
	}
	if a.Below != "" && !isFolder(a.Below) {
		d.errorf(join(at, "below"), "%q: want names of folders between slashes, with none at the ends, such as backups/crm", a.Below)
	}
	if _, err := location(a.TimeZone); err != nil {
		d.errorf(join(at, "time_zone"), "%v", err)
	}
}

// checkAdopts notes entries of a vault of which the second can match nothing.
func checkAdopts(d *document, at string, entries []Adopt) {
	for i, a := range entries {
		a.check(d, index(at, i))
		if slices.ContainsFunc(entries[:i], func(b Adopt) bool { return a.Pattern == b.Pattern && a.Below == b.Below }) {
			d.errorf(index(at, i), "an entry before it has the same pattern below the same folder; the first counts")
		}
	}
}

// isFolder reports whether s is the path of a folder. Names of apps are names of
// folders, so nearly any text may stand between the slashes.
func isFolder(s string) bool {
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part[0] == '.' || strings.Contains(part, `\`) || holdfast.Printable(part) != part {
			return false
		}
	}
	return true
}

// adopted returns the vaults in which each job has adopted backups, in order.
func (c *Holdfast) adopted() map[holdfast.JobName][]string {
	all := map[holdfast.JobName][]string{}
	for _, vault := range slices.Sorted(maps.Keys(c.Vaults)) {
		for _, a := range c.Vaults[vault].Adopt {
			if !slices.Contains(all[a.name()], vault) {
				all[a.name()] = append(all[a.name()], vault)
			}
		}
	}
	return all
}

// isAdopted reports whether the name of an entry of jobs, host/job or job, stands
// for an adopted job.
func (c *Holdfast) isAdopted(name string) bool {
	for a := range c.adopted() {
		if name == a.Job || name == a.String() {
			return true
		}
	}
	return false
}

// isPushed reports whether a host may push a job that the name of an entry stands for.
func (c *Holdfast) isPushed(name string) bool {
	host, job, both := strings.Cut(name, "/")
	if !both {
		host, job = "", name
	}
	for h, pushes := range c.Hosts {
		if (h == host || !both) && mayPush(pushes, job) {
			return true
		}
	}
	return false
}
