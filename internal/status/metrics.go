package status

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Metrics writes the status in the text format of Prometheus, version 0.0.4.
// docs/status.md says what each metric is. What is not known is left out.
func Metrics(w io.Writer, s Status) error {
	m := &metrics{}
	m.vaults(s)
	m.jobs(s)
	out := bufio.NewWriter(w)
	for _, f := range m.families {
		if len(f.samples) == 0 {
			continue
		}
		fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", f.name, f.help, f.name)
		for _, sample := range f.samples {
			fmt.Fprintf(out, "%s%s\n", f.name, sample)
		}
	}
	return out.Flush()
}

// metrics are collected family by family, as the format demands.
type metrics struct{ families []*family }

type family struct {
	name, help string
	samples    []string // "{labels} value"
}

func (m *metrics) family(name, help string) *family {
	f := &family{name: "holdfast_" + name, help: help}
	m.families = append(m.families, f)
	return f
}

// add adds a sample; labels are names and values in turn.
func (f *family) add(value float64, labels ...string) {
	pairs := make([]string, 0, len(labels)/2)
	for i := 0; i+1 < len(labels); i += 2 {
		pairs = append(pairs, labels[i]+`="`+label(labels[i+1])+`"`)
	}
	text := ""
	if len(pairs) > 0 {
		text = "{" + strings.Join(pairs, ",") + "}"
	}
	f.samples = append(f.samples, text+" "+strconv.FormatFloat(value, 'f', -1, 64))
}

// at adds a time, unless it is the zero one.
func (f *family) at(t time.Time, labels ...string) {
	if !t.IsZero() {
		f.add(float64(t.Unix()), labels...)
	}
}

// label escapes a value as the format demands.
func label(value string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(strings.ToValidUTF8(value, "\uFFFD"))
}

func bit(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func (m *metrics) vaults(s Status) {
	m.family("status_timestamp_seconds", "When the status was written.").at(s.At)
	reachable := m.family("vault_reachable", "1 if the vault could be judged, else 0.")
	judged := m.family("vault_judged_timestamp_seconds", "When all jobs of the vault were last judged.")
	stored := m.family("vault_stored_bytes", "What the watched jobs of the vault occupy.")
	unwatched := m.family("vault_unwatched_jobs", "Jobs that have backups in the vault and no policy.")
	found := m.family("vault_findings", "Open findings about the vault itself, by check and severity.")
	cleaned := m.family("retention_last_run_timestamp_seconds", "When retention last ran.")
	failed := m.family("retention_last_run_failed", "1 if that run failed, else 0.")
	deleted := m.family("retention_last_run_deleted_backups", "Backups that run deleted.")
	freed := m.family("retention_last_run_freed_bytes", "What that run freed.")
	channel := m.family("channel_failing", "1 if the channel does not deliver alerts, else 0.")
	for _, v := range s.Vaults {
		reachable.add(bit(v.Reachable), "vault", v.Name)
		judged.at(v.At, "vault", v.Name)
		stored.add(float64(v.Stored), "vault", v.Name)
		unwatched.add(float64(len(v.Unwatched)), "vault", v.Name)
		found.findings(v.Findings, "vault", v.Name)
		if !v.Cleaned.At.IsZero() {
			cleaned.at(v.Cleaned.At, "vault", v.Name)
			failed.add(bit(v.Cleaned.Failed), "vault", v.Name)
			deleted.add(float64(v.Cleaned.Deleted), "vault", v.Name)
			freed.add(float64(v.Cleaned.Freed), "vault", v.Name)
		}
		for _, c := range v.Channels {
			channel.add(bit(c.Err != ""), "vault", v.Name, "channel", c.Name)
		}
	}
}

func (m *metrics) jobs(s Status) {
	state := m.family("job_state", "1 for the state the job is in, 0 for the others.")
	silenced := m.family("job_silenced", "1 if alerts of the job are silenced, else 0.")
	found := m.family("job_findings", "Open findings about the job, by check and severity.")
	backups := m.family("job_backups", "Good backups of the job.")
	stored := m.family("job_stored_bytes", "What the job occupies.")
	last := m.family("job_last_backup_timestamp_seconds", "When the newest good backup was begun.")
	lastSize := m.family("job_last_backup_size_bytes", "Stored size of its data.")
	took := m.family("job_last_backup_duration_seconds", "From its admission to its manifest.")
	usual := m.family("job_usual_size_bytes", "The median size that it is judged by.")
	interval := m.family("job_expected_interval_seconds", "How often a backup should arrive.")
	deadline := m.family("job_deadline_timestamp_seconds", "When the next good backup is expected at the latest.")
	drill := m.family("job_last_drill_timestamp_seconds", "When a restore was last rehearsed.")
	drilled := m.family("job_last_drill_success", "1 if that restored, else 0.")
	for _, v := range s.Vaults {
		for _, j := range v.Jobs {
			labels := []string{"vault", v.Name, "host", j.Host, "job", j.Job}
			for _, is := range []string{OK, Warning, Critical} {
				state.add(bit(j.State == is), append(labels, "state", is)...)
			}
			silenced.add(bit(!j.Silenced.IsZero()), labels...)
			found.findings(j.Findings, labels...)
			backups.add(float64(j.Count), labels...)
			stored.add(float64(j.Stored), labels...)
			if j.Last != nil {
				last.at(j.Last.ID.Time(), labels...)
				lastSize.add(float64(j.Last.Size), labels...)
				if j.Last.Seconds > 0 {
					took.add(float64(j.Last.Seconds), labels...)
				}
			}
			if j.Usual > 0 {
				usual.add(float64(j.Usual), labels...)
			}
			if every, err := holdfast.ParseSpan(j.Every); err == nil && !every.IsZero() {
				interval.add(every.Duration().Seconds(), labels...)
			}
			deadline.at(j.Due, labels...)
			if j.Drill != nil {
				drill.at(j.Drill.At, labels...)
				drilled.add(bit(j.Drill.OK), labels...)
			}
		}
	}
}

// findings adds one sample for each check and severity.
func (f *family) findings(all []holdfast.Finding, labels ...string) {
	type kind struct{ check, severity string }
	var kinds []kind
	count := map[kind]int{}
	for _, finding := range all {
		k := kind{finding.Check, string(finding.Severity)}
		if count[k] == 0 {
			kinds = append(kinds, k)
		}
		count[k]++
	}
	for _, k := range kinds {
		f.add(float64(count[k]), append(labels, "check", k.check, "severity", k.severity)...)
	}
}
