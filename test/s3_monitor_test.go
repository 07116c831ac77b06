package test

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
)

// watched is what a run of the monitor said.
type watched struct {
	result
	findings    []string // "check" of the vault, "host/job check"
	transitions []string // "change check"
}

// watch runs the monitor against the vault behind the gate.
func (s *site) watch(args ...string) watched {
	s.t.Helper()
	w := watched{result: s.holdfast(append([]string{"monitor", "--json"}, args...)...)}
	var answer struct {
		Vaults []struct {
			Findings    []holdfast.Finding
			Transitions []struct {
				Change  string
				Finding holdfast.Finding
			}
		}
	}
	decode(s.t, w.out, &answer)
	for _, v := range answer.Vaults {
		for _, f := range v.Findings {
			w.findings = append(w.findings, f.Check)
		}
		for _, t := range v.Transitions {
			w.transitions = append(w.transitions, t.Change+" "+t.Finding.Check)
		}
	}
	slices.Sort(w.findings)
	slices.Sort(w.transitions)
	return w
}

// said fails the test unless the run ended so.
func (w watched) said(t *testing.T, code int, findings, transitions string) {
	t.Helper()
	if w.code != code || strings.Join(w.findings, ", ") != findings || strings.Join(w.transitions, ", ") != transitions {
		t.Errorf("got code %d, findings %v, transitions %v; want %d, %s, %s\nstdout: %s\nstderr: %s",
			w.code, w.findings, w.transitions, code, findings, transitions, w.out, w.errOut)
	}
}

// unwell is a site with a backup of web1/crm that is smaller than it should be,
// which the monitor has not looked at yet.
func unwell(t *testing.T) (*site, *gate) {
	t.Helper()
	s := newS3Site(t, "  crm: { expect: { min_size: 1GB } }\n")
	g := newGate(t, s)
	h := s.addHost("web1", []string{"crm"}, random("crm", "1M", ""))
	s.serve(g.listen, "holdfast")
	s.want(h.pusher("run"), 0)
	s.stop() // or it would watch, too
	return s, g
}

func TestAStoreThatCannotBeReadIsAFindingAndSettlesNothing(t *testing.T) {
	t.Parallel()
	for _, f := range []*injection{
		{call: "list", do: internal}, {call: "list", do: says(403, "AccessDenied")}, {call: "list", do: says(404, "NoSuchBucket")},
	} {
		t.Run(f.call, func(t *testing.T) {
			t.Parallel()
			s, g := unwell(t)
			s.watch().said(t, 1, "min-size", "opened min-size")
			g.inject(f)
			s.watch().said(t, 1, "reachable", "opened reachable")
			if f.hits() == 0 {
				t.Errorf("%s", f)
			}
			g.open()
			s.watch().said(t, 1, "min-size", "resolved reachable, still min-size")
		})
	}
}

// What has changed is told once, or twice if it must be, but never not at all.
func TestAMonitorsAnswerThatIsLostLosesNoAlert(t *testing.T) {
	for _, f := range []*injection{
		{call: "state", times: 1, do: loses}, {call: "state", times: 1, do: cuts}, {call: "state", times: 1, do: internal},
		{call: "state", times: 1, do: conflict}, {call: "get", times: 1, do: cuts}, {call: "list", times: 2, do: slowDown},
	} {
		t.Run(f.call, func(t *testing.T) {
			s, g := unwell(t)
			g.inject(f)
			s.watch().said(t, 1, "min-size", "opened min-size")
			if f.hits() == 0 {
				t.Errorf("%s", f)
			}
			g.open()
			s.watch().said(t, 1, "min-size", "still min-size")
		})
	}
}
