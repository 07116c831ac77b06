package plain_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
)

// longOpening is a message of n items, of which the first has a text that is too
// long for a pager.
func longOpening(n int) holdfast.Message {
	m := holdfast.Message{ID: "x", Kind: holdfast.KindChange, At: now, Link: "https://backup.example.com/status?t=" + strings.Repeat("x", 100)}
	for i := range n {
		m.Items = append(m.Items, holdfast.Item{Event: holdfast.Unhealthy, Step: holdfast.Opened, At: now, Finding: holdfast.Finding{
			Check: "fresh", Severity: holdfast.Critical, Host: fmt.Sprintf("web%d", i+1), Job: "crm", Since: now.Add(-time.Hour),
			Summary: "the newest good backup is 31h old", Expected: "every 24h", Actual: "31h old", Hint: "pusher doctor",
		}})
	}
	m.Items[0].Finding.Summary = "a run failed: " + strings.Repeat("connection refused, ", 60)
	return m
}

func TestAPagerIsToldOfEveryJobAndTheLink(t *testing.T) {
	m := longOpening(5)
	got := plain.Short(m, time.UTC, 1000)
	for _, want := range []string{"web1/crm", "web2/crm", "web3/crm", "web4/crm", "web5/crm", "\n" + m.Link + "\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("has no %q", want)
		}
	}
	if len(got) > 1000 {
		t.Errorf("has %d bytes", len(got))
	}
	golden(t, "five-in-1000-bytes.txt", got)
}

func TestWhatIsNotNamedIsCounted(t *testing.T) {
	m := longOpening(60)
	m.More = 7
	got := plain.Short(m, time.UTC, 1000)
	named, left := strings.Count(got, "  - "), 0
	if _, err := fmt.Sscanf(got[strings.Index(got, "\nand ")+1:], "and %d more", &left); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	if named < 10 || named+left != 67 || !strings.HasSuffix(got, m.Link+"\n") {
		t.Errorf("names %d and leaves %d of 67 in %d bytes:\n%s", named, left, len(got), got)
	}
}

func TestASingleLongTextLeavesTheLinkAndTheHint(t *testing.T) {
	m := longOpening(1)
	m.Items[0].Finding.Actual, m.Items[0].Finding.Expected = strings.Repeat("x ", 400), strings.Repeat("y", 900)
	for _, limit := range []int{600, 1000, 1900} {
		got := plain.Short(m, time.UTC, limit)
		if len(got) > limit || !strings.Contains(got, "  pusher doctor\n") || !strings.HasSuffix(got, m.Link+"\n") {
			t.Errorf("limit %d: got %d bytes:\n%s", limit, len(got), got)
		}
	}
}

func TestADigestInShortNamesWhatIsWrong(t *testing.T) {
	m := longOpening(20)
	m.Kind, m.Items, m.Overview = holdfast.KindDigest, nil, &holdfast.Overview{From: now.Add(-7 * 24 * time.Hour), Jobs: 90, OK: 70, Critical: 20, Open: m.Items}
	for limit, all := range map[int]bool{1000: false, 2000: true} {
		got := plain.Short(m, time.UTC, limit)
		named := strings.Count(got, "  - ")
		if len(got) > limit || named < 5 || all != (named == 20) || all == strings.Contains(got, "\nand ") || !strings.HasSuffix(got, m.Link+"\n") {
			t.Errorf("limit %d: names %d in %d bytes:\n%s", limit, named, len(got), got)
		}
	}
}

func TestALinkIsWholeOrNotThere(t *testing.T) {
	m := longOpening(5)
	m.Link += strings.Repeat("y", 900)
	if got := plain.Short(m, time.UTC, 1000); len(got) > 1000 || strings.Contains(got, "https") || !strings.Contains(got, "web5/crm") {
		t.Errorf("got %s", got)
	}
}

func TestShortTellsMoreWithMoreRoom(t *testing.T) {
	var many holdfast.Message
	for _, m := range sample.Messages(now) {
		if m.More > 0 {
			many = m
		}
	}
	named, told := 0, 0
	for _, limit := range []int{500, 1000, 2000, 4000, 8000, 1 << 20} {
		got := plain.Short(many, time.UTC, limit)
		if len(got) > limit || !utf8.ValidString(got) || !strings.Contains(got, many.Link) {
			t.Errorf("limit %d: got %d bytes, valid UTF-8: %v:\n%s", limit, len(got), utf8.ValidString(got), got)
		}
		n, k := strings.Count(got, "  - "), strings.Count(got, "Next:")
		if n < named || k < told {
			t.Errorf("limit %d: names %d and tells %d items, a smaller limit %d and %d", limit, n, k, named, told)
		}
		named, told = n, k
	}
	if named != 30 || told != 24 {
		t.Errorf("without a limit %d of the 30 items are named, and %d of the 24 open ones told", named, told)
	}
	golden(t, "many-in-2000-bytes.txt", plain.Short(many, time.UTC, 2000))
	for _, m := range sample.Hostile(now) {
		for _, limit := range []int{0, 1, 10, 333, 1001, 2999} {
			if got := plain.Short(m, time.UTC, limit); len(got) > max(limit, len("…\n")) || !utf8.ValidString(got) {
				t.Errorf("%s: limit %d: got %d bytes of valid UTF-8: %v", name(m), limit, len(got), utf8.ValidString(got))
			}
		}
	}
}

func TestAListNamesTheJobWhateverItIsCalled(t *testing.T) {
	f := holdfast.Finding{Host: strings.Repeat("h", 63), Job: strings.Repeat("j", 63), Summary: strings.Repeat("what is wrong ", 30)}
	got := plain.Brief(holdfast.Item{Finding: f})
	if !strings.HasPrefix(got, f.Host+"/"+f.Job+": what is wrong") || utf8.RuneCountInString(got) > 127+2+40 {
		t.Errorf("got %s", got)
	}
	f.Host, f.Job = "web1", "crm"
	if got := plain.Brief(holdfast.Item{Finding: f}); utf8.RuneCountInString(got) > 102 {
		t.Errorf("got %d characters: %s", utf8.RuneCountInString(got), got)
	}
}
