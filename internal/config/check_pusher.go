package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-backup/holdfast"
)

// check notes what is wrong with c and fills in what has a fixed default.
func (c *Pusher) check(d *document) {
	c.places = d.where()
	if d.required("host", c.Host) {
		d.checkName("host", "host", c.Host)
	}
	c.checkDestinations(d)
	if d.required("key", c.Key) {
		c.Key = d.resolve("key", c.Key)
	}
	if !d.given("encrypt_to") {
		d.errorf("encrypt_to", "is missing; want a list of age recipients, { openpgp: key.asc }, or none to store backups unencrypted")
	}
	d.checkAbsolute("state_dir", c.StateDir)
	c.Compress.check(d)
	if len(c.Jobs) == 0 {
		d.errorf("jobs", "is missing or empty")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Jobs)) {
		job := c.Jobs[name]
		d.checkName(join("jobs", name), "job", name)
		job.check(d, join("jobs", name), name)
		job.checkTo(d, join("jobs", name), c.DestinationNames())
		c.Jobs[name] = job
	}
}

func (c *Compress) check(d *document) {
	d.checkChoice("compress.method", c.Method, "zstd", "gzip", "none")
	if c.Method == "" {
		c.Method = "zstd"
	}
	if d.given("compress.level") {
		limit := map[string]int{"zstd": 19, "gzip": 9}[c.Method]
		switch {
		case c.Method == "none":
			d.errorf("compress.level", "method none has no level")
		case limit > 0 && (c.Level < 1 || c.Level > limit):
			d.errorf("compress.level", "%d: want 1 to %d for %s", c.Level, limit, c.Method)
		}
		return
	}
	c.Level = map[string]int{"zstd": 3, "gzip": 6}[c.Method]
}

func (j *PusherJob) check(d *document, path, name string) {
	d.checkAbsolute(join(path, "spool"), j.Spool)
	switch keep := join(path, "keep_local"); {
	case j.KeepLocal < 0:
		d.errorf(keep, "%d: want 0 or more", j.KeepLocal)
	case j.KeepLocal > 0 && j.Spool == "":
		d.errorf(keep, "needs spool, the directory to keep them in")
	}
	d.checkPositive(join(path, "timeout"), j.Timeout)
	if j.Timeout.IsZero() {
		j.Timeout = holdfast.Span{N: 24, Unit: holdfast.Hour}
	}
	d.checkPositive(join(path, "hooks", "timeout"), j.Hooks.Timeout)
	if j.Hooks.Timeout.IsZero() {
		j.Hooks.Timeout = holdfast.Span{N: 10, Unit: holdfast.Minute}
	}
	if len(j.Sources) == 0 {
		d.errorf(join(path, "sources"), "is missing or empty; want a list of sources")
	}
	for i := range j.Sources {
		j.Sources[i].check(d, fmt.Sprintf("%s[%d]", join(path, "sources"), i))
	}
	j.checkStreams(d, path, name)
}

// checkStreams notes names of streams that are unusable or occur twice.
func (j *PusherJob) checkStreams(d *document, path, name string) {
	first, count := map[string]int{}, 0
	for i, s := range j.Sources {
		at := fmt.Sprintf("%s[%d]", join(path, "sources"), i)
		for _, stream := range StreamNames(name, j.Sources)[i] {
			count++
			d.checkName(join(at, "name"), "stream", stream)
			if before, twice := first[stream]; twice {
				d.errorf(join(at, "name"), "stream %q is that of sources[%d] too; give each a name of its own", stream, before)
				continue
			}
			first[stream] = i
		}
		d.checkOneKind(at, "source", s)
	}
	if count > holdfast.MaxStreams {
		d.errorf(join(path, "sources"), "%d streams, want at most %d", count, holdfast.MaxStreams)
	}
}
