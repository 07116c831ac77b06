package main

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// print says what was found.
func (found adoptable) print(w io.Writer) error {
	var b strings.Builder
	if found.Dir == "" {
		fmt.Fprintf(&b, "vault %s\n", found.Vault)
	} else {
		fmt.Fprintf(&b, "directory %s\n", holdfast.Printable(found.Dir))
	}
	if len(found.Jobs) == 0 {
		b.WriteString("  no names of backups were recognised\n")
	}
	for _, j := range found.Jobs {
		j.print(&b)
	}
	for _, o := range found.Overlaps {
		fmt.Fprintf(&b, "  %s match entries %d and %d of adopt, and count for %d\n", count(o.Files, "file"), o.First+1, o.Second+1, o.First+1)
	}
	if u := found.Unread; u.Files > 0 {
		fmt.Fprintf(&b, "  not recognised: %s, %s%s; such as\n", count(u.Files, "file"), holdfast.Size(u.Bytes), because(u.NoTime, u.Ambiguous))
		for _, name := range u.Examples {
			fmt.Fprintf(&b, "    %s\n", holdfast.Printable(name))
		}
	}
	if found.Lines != "" {
		fmt.Fprintf(&b, "To have them watched, add to holdfast.yaml:\n\n%s\n", found.Lines)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (j adoptedJob) print(w io.Writer) {
	fmt.Fprintf(w, "  %s/%s: %s, %s", j.Host, j.Job, count(j.Backups, "backup"), holdfast.Size(j.Bytes))
	if j.Backups > 0 {
		fmt.Fprintf(w, ", %s to %s, every %s", minute(j.Oldest), minute(j.Newest), j.Every)
	}
	fmt.Fprintln(w)
	for _, rule := range j.Rules {
		fmt.Fprintf(w, "    %s", holdfast.Printable(rule.Pattern))
		if rule.Below != "" {
			fmt.Fprintf(w, " below %s", holdfast.Printable(rule.Below))
		}
		switch {
		case !rule.Configured:
		case rule.Delete:
			fmt.Fprint(w, ", adopted, with delete: true")
		default:
			fmt.Fprint(w, ", adopted")
		}
		fmt.Fprintln(w)
	}
	if j.Unfinished > 0 {
		fmt.Fprintf(w, "    %s more written to in the last 10 minutes\n", count(j.Unfinished, "backup"))
	}
	if j.Future > 0 {
		fmt.Fprintf(w, "    %s more of times to come, which do not count: is the time zone right?\n", count(j.Future, "backup"))
	}
	fmt.Fprintf(w, "    the policy keeps %d (%s) and gives up %d", j.Keeps, holdfast.Size(j.KeepsBytes), j.GivesUp)
	if j.Braked != "" {
		fmt.Fprintf(w, "; retention would not delete these by itself: %s", j.Braked)
	}
	fmt.Fprintln(w)
}

// because says why names were not recognised that nearly were.
func because(noTime, ambiguous int) string {
	text := ""
	if noTime > 0 {
		text += fmt.Sprintf(", %d with times that there are not", noTime)
	}
	if ambiguous > 0 {
		text += fmt.Sprintf(", %d that can be read as several times", ambiguous)
	}
	return text
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// lines returns what to add to holdfast.yaml, "" for nothing.
func (found adoptable) lines() string {
	var adopts, jobs strings.Builder
	for _, j := range found.Jobs {
		for _, rule := range j.Rules {
			if !rule.Configured {
				fmt.Fprintf(&adopts, "      - %s\n", j.line(rule))
			}
		}
		if j.Entry != nil {
			fmt.Fprintf(&jobs, "  %s/%s:\n    expect: { every: %s }\n    keep: { all: 7d, daily: 16d, weekly: 8w, monthly: 4mo, yearly: 2y }\n", j.Host, j.Job, j.Every)
		}
	}
	if adopts.Len() == 0 {
		return ""
	}
	name, disk := found.Vault, ""
	if found.Dir != "" {
		name, disk = "files", fmt.Sprintf("    disk: { path: %s }\n", scalar(found.Dir))
	}
	text := fmt.Sprintf("vaults:\n  %s:\n%s    adopt:\n%s", name, disk, adopts.String())
	if jobs.Len() > 0 {
		text += "jobs:\n" + jobs.String()
	}
	return text
}

// line returns an entry of adopt.
func (j adoptedJob) line(rule adoptRule) string {
	text := fmt.Sprintf("{ host: %s, job: %s, pattern: %s", scalar(j.Host), scalar(j.Job), scalar(rule.Pattern))
	if rule.Below != "" {
		text += ", below: " + scalar(rule.Below)
	}
	if rule.TimeZone != "" {
		text += ", time_zone: " + scalar(rule.TimeZone)
	}
	return text + " }"
}

var (
	plainScalar = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*$`)
	yamlWord    = regexp.MustCompile(`(?i)^(null|true|false|yes|no|on|off|y|n)$`)
)

// scalar returns a text as YAML has it.
func scalar(text string) string {
	if plainScalar.MatchString(text) && !yamlWord.MatchString(text) {
		return text
	}
	return strconv.Quote(text)
}
