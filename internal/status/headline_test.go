package status

import (
	"testing"

	"github.com/holdfast-backup/holdfast"
)

// A job in several vaults is one job, however many of its copies are bad.
func TestTheHeadlineCountsJobsAndNotTheirCopies(t *testing.T) {
	job := func(name, state string) Job { return Job{Host: "web1", Job: name, State: state} }
	for _, test := range []struct {
		name      string
		main, nas []Job
		want      string
	}{
		{"well everywhere", []Job{job("crm", OK), job("etc", OK)}, []Job{job("crm", OK)}, "All 2 jobs are well"},
		{"bad in one vault", []Job{job("crm", OK), job("etc", OK)}, []Job{job("crm", Critical)}, "1 of 2 jobs needs attention"},
		{"bad in both", []Job{job("crm", Warning), job("etc", OK)}, []Job{job("crm", Critical)}, "1 of 2 jobs needs attention"},
		{"two bad ones", []Job{job("crm", Warning), job("etc", OK)}, []Job{job("etc", Critical)}, "2 of 2 jobs need attention"},
		{"the only one", []Job{job("crm", OK)}, []Job{job("crm", OK)}, "The one job is well"},
	} {
		s := Status{At: noon, Vaults: []Vault{{Name: "main", Reachable: true, Jobs: test.main}, {Name: "nas", Reachable: true, Jobs: test.nas}}}
		if got := newView(s, Options{}).Headline; got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	s := Status{At: noon, Vaults: []Vault{{Name: "main", Jobs: []Job{job("crm", OK)}}, {Name: "nas", Reachable: true, Findings: []holdfast.Finding{}}}}
	if got, want := newView(s, Options{}).Headline, "1 of 2 vaults cannot be reached"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
