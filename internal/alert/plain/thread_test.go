package plain_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
)

// inThread is a message about the first of the jobs of a thread.
func inThread(told holdfast.Step, jobs, more, open int) holdfast.Message {
	item := func(n int, step holdfast.Step) holdfast.Item {
		return holdfast.Item{Step: step, At: now, Finding: holdfast.Finding{
			Check: "fresh", Severity: holdfast.Critical, Host: "web1", Job: fmt.Sprintf("job%d", n), Summary: strings.Repeat("is stale ", 80), Since: now.Add(-time.Hour),
		}}
	}
	m := holdfast.Message{ID: "y", Kind: holdfast.KindChange, At: now, Link: "https://backup.example.com/", Items: []holdfast.Item{item(0, told)}}
	m.Thread = &holdfast.Thread{ID: "x", At: now.Add(-time.Hour), More: more, Open: open}
	for n := range jobs {
		step := holdfast.Opened
		if n == 0 && told == holdfast.Resolved {
			step = told
		}
		m.Thread.Items = append(m.Thread.Items, item(n, step))
	}
	return m
}

func TestAThreadOfAThousandIsToldInFewLines(t *testing.T) {
	m := inThread(holdfast.Resolved, 30, 970, 950)
	got := plain.Text(m, time.UTC)
	if len(got) > 4000 {
		t.Errorf("has %d bytes", len(got))
	}
	for _, want := range []string{
		"Of what was told on 2025-10-28 13:00 UTC, 950 of 1000 go on, these too:\n  - CRITICAL: web1/job1:",
		"web1/job10:", "\n\nand 940 more, which the status page shows.\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("has no %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "web1/job11:") {
		t.Errorf("names more than ten:\n%s", got)
	}
}

func TestStillCountsWhatIsNotNamed(t *testing.T) {
	for name, c := range map[string]struct {
		m           holdfast.Message
		named, more int
		note        string
	}{
		"all are there":            {inThread(holdfast.Resolved, 4, 0, 3), 3, 0, "this goes on too:"},
		"more than are named":      {inThread(holdfast.Resolved, 15, 0, 14), 10, 4, "14 of 15 go on, these too:"},
		"one of them is told":      {inThread(holdfast.Worsened, 15, 0, 15), 10, 4, "15 of 15 go on, these too:"},
		"some are left out":        {inThread(holdfast.Resolved, 4, 20, 9), 3, 6, "9 of 24 go on, these too:"},
		"all others are left out":  {inThread(holdfast.Resolved, 1, 20, 9), 0, 9, "9 of 21 go on."},
		"what is told is left out": {inThread(holdfast.Worsened, 0, 20, 9), 0, 8, "9 of 20 go on."},
		"all is over":              {inThread(holdfast.Resolved, 1, 20, 0), 0, 0, "is over."},
	} {
		still, more := plain.Still(c.m, plain.MaxStill)
		if len(still) != c.named || more != c.more {
			t.Errorf("%s: names %d and leaves out %d, want %d and %d", name, len(still), more, c.named, c.more)
		}
		if got := plain.ThreadNote(c.m, nil); !strings.HasSuffix(got, c.note) {
			t.Errorf("%s: got %q, want %q", name, got, c.note)
		}
	}
	m := inThread(holdfast.Reminder, 1, 999, 1000)
	m.More = 999
	if still, more := plain.Still(m, 10); len(still) != 0 || more != 0 {
		t.Errorf("a message that reminds of all: %d and %d more go on beside", len(still), more)
	}
}
