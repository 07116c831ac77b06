package status

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
)

func TestMetricsAreDocumentedByAnExample(t *testing.T) {
	var b bytes.Buffer
	if err := Metrics(&b, sample()); err != nil {
		t.Fatal(err)
	}
	if _, err := parseMetrics(b.String()); err != nil {
		t.Error(err)
	}
	golden(t, "metrics.txt", b.String())
}

func TestLabelsAreEscaped(t *testing.T) {
	s := sample()
	const name = "a\"b\\c\nd\xffe}"
	s.Vaults[0].Channels = []Channel{{Name: name}}
	s.Vaults[0].Jobs[0].Findings = []holdfast.Finding{{Check: name, Severity: holdfast.Warning}, {Check: name, Severity: holdfast.Warning}}
	var b bytes.Buffer
	if err := Metrics(&b, s); err != nil {
		t.Fatal(err)
	}
	samples, err := parseMetrics(b.String())
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float64{
		`holdfast_channel_failing[vault=main channel=` + "a\"b\\c\nd\uFFFDe}]":                               0,
		`holdfast_job_findings[vault=main host=web1 job=crm check=` + "a\"b\\c\nd\uFFFDe} severity=warning]": 2,
	} {
		if got, ok := samples[key]; !ok || got != want {
			t.Errorf("%q: got %v, %v, want %v", key, got, ok, want)
		}
	}
}

var (
	comment = regexp.MustCompile(`^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$`)
	series  = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$`)
	pair    = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)`)
)

// parseMetrics reads the text format strictly, as its specification has it: HELP
// and TYPE once before the samples of a metric, which stand together, each
// series once. It returns the values by name and labels.
func parseMetrics(text string) (map[string]float64, error) {
	samples, current, state := map[string]float64{}, "", ""
	seen := map[string]bool{}
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the last line does not end")
	}
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if c := comment.FindStringSubmatch(line); c != nil {
			switch {
			case c[1] == "HELP" && !seen[c[2]]:
				seen[c[2]], current, state = true, c[2], "HELP"
			case c[1] == "TYPE" && state == "HELP" && c[2] == current && c[3] == "gauge":
				state = "TYPE"
			default:
				return nil, fmt.Errorf("out of place: %s", line)
			}
			continue
		}
		s := series.FindStringSubmatch(line)
		if s == nil || s[1] != current || state != "TYPE" {
			return nil, fmt.Errorf("no sample of %q: %s", current, line)
		}
		var labels []string
		for rest := s[2]; rest != ""; {
			p := pair.FindStringSubmatch(rest)
			if p == nil {
				return nil, fmt.Errorf("bad labels: %s", line)
			}
			labels = append(labels, p[1]+"="+strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\"`, `"`).Replace(p[2]))
			rest = rest[len(p[0]):]
		}
		value, err := strconv.ParseFloat(s[3], 64)
		key := fmt.Sprintf("%s%s", s[1], labels)
		if _, twice := samples[key]; err != nil || twice {
			return nil, fmt.Errorf("twice, or no number: %s", line)
		}
		samples[key] = value
	}
	if len(samples) == 0 {
		return nil, fmt.Errorf("no samples")
	}
	return samples, nil
}
