package monitor

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Text writes the result for people: what is wrong first, the worst at the top,
// then what has ended, then one line that sums up.
func (r Result) Text(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-8s  %s  %s: %s\n", strings.ToUpper(string(f.Severity)), f.Subject(), f.Check, f.Summary)
		details := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
		for _, d := range [][2]string{
			{"expected", f.Expected}, {"actual", f.Actual}, {"since", r.since(f.Since)}, {"next", f.Hint},
		} {
			if d[1] != "" {
				fmt.Fprintf(details, "          %s:\t%s\n", d[0], d[1])
			}
		}
		if err := details.Flush(); err != nil {
			return err
		}
	}
	for _, t := range r.Transitions {
		if t.Change == Resolved {
			fmt.Fprintf(&b, "RESOLVED  %s  %s, after %s\n", t.Finding.Subject(), t.Finding.Check, age(t.At.Sub(t.Finding.Since)))
		}
	}
	b.WriteString(r.summary() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Result) since(t time.Time) string {
	if t.IsZero() || t.Equal(r.At) {
		return ""
	}
	return fmt.Sprintf("%s (%s)", minute(t), age(r.At.Sub(t)))
}

// summary is the last line of Text.
func (r Result) summary() string {
	counts, total := map[holdfast.Severity]int{}, int64(0)
	for _, f := range r.Findings {
		counts[f.Severity]++
	}
	for _, j := range r.Jobs {
		total += j.Total
	}
	verdict := "all well"
	if len(r.Findings) > 0 {
		verdict = fmt.Sprintf("%d critical, %s", counts[holdfast.Critical], number(counts[holdfast.Warning], "warning"))
	}
	s := fmt.Sprintf("%s: %s in %s, %s, %s; %s opened", vaultName("%s", r.Vault), verdict, number(r.Checked.Jobs, "job"),
		number(r.Checked.Backups, "backup"), holdfast.Size(total), number(r.Checked.Manifests, "manifest"))
	if r.Checked.ManifestsLeft > 0 {
		s += fmt.Sprintf(" (%d left)", r.Checked.ManifestsLeft)
	}
	if r.Checked.BytesReread > 0 {
		s += fmt.Sprintf(", %s re-read", holdfast.Size(r.Checked.BytesReread))
	}
	if n := r.adopted(); n > 0 {
		s += fmt.Sprintf("; the newest of %s adopted, not verified", number(n, "job"))
	}
	if n := len(r.Unwatched); n > 0 {
		s += fmt.Sprintf("; %s without a policy, not watched: %s", number(n, "job"), strings.Join(r.Unwatched[:min(n, 3)], ", "))
		if n > 3 {
			s += ", …"
		}
	}
	return s
}

// adopted counts the jobs whose newest good backup nothing proves.
func (r Result) adopted() int {
	n := 0
	for _, j := range r.Jobs {
		if j.Newest != nil && j.Newest.Adopted {
			n++
		}
	}
	return n
}

// vaultName names what a run has judged, a vault as format writes it.
func vaultName(format, name string) string {
	if name == "" {
		return "all vaults"
	}
	return fmt.Sprintf("vault "+format, name)
}
