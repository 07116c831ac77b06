package plain_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)

func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// name is what a sample is called without its time.
func name(m holdfast.Message) string {
	return regexp.MustCompile(`^sample-|-\d{8}t\d{6}z$`).ReplaceAllString(m.ID, "")
}

func whole(m holdfast.Message, loc *time.Location) string {
	return "Subject: " + plain.Subject(m) + "\n\n" + plain.Text(m, loc)
}

func TestEverySample(t *testing.T) {
	for _, m := range append(sample.Messages(now), sample.Hostile(now)...) {
		t.Run(name(m), func(t *testing.T) { golden(t, name(m)+".txt", whole(m, time.UTC)) })
	}
}

func TestWhatIsForeignStaysPrintableAndOneLine(t *testing.T) {
	for _, m := range append(sample.Messages(now), sample.Hostile(now)...) {
		subject, text := plain.Subject(m), plain.Text(m, time.UTC)
		if n := utf8.RuneCountInString(subject); n > 150 || strings.ContainsFunc(subject, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: the subject of %d characters is not one printable line: %q", name(m), n, subject)
		}
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("%s: the text is not printable:\n%q", name(m), text)
		}
		if m.Sample && !strings.HasPrefix(text, plain.SampleNote) {
			t.Errorf("%s: does not say at once that it is a sample", name(m))
		}
	}
}

func TestLinesOfASampleFitThePage(t *testing.T) {
	for _, m := range sample.Messages(now) {
		for line := range strings.Lines(plain.Text(m, time.UTC)) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > 78 && !strings.Contains(line, " Next: ") {
				t.Errorf("%s: a line of %d characters: %s", name(m), n, line)
			}
		}
	}
}

func TestTimesAreThoseOfTheZone(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	m := sample.Messages(now)[2]
	got := plain.Text(m, paris)
	// Summer time ended two days before.
	for _, want := range []string{"2025-10-28 15:00 CET", "2025-10-27 09:00 CET"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "UTC") {
		t.Errorf("a time is in UTC:\n%s", got)
	}
}

func TestStillIsWhatGoesOnAndIsNotToldAnyway(t *testing.T) {
	item := func(job string, step holdfast.Step) holdfast.Item {
		return holdfast.Item{Step: step, Finding: holdfast.Finding{Check: "fresh", Severity: holdfast.Critical, Host: "web1", Job: job, Summary: "is stale"}}
	}
	m := holdfast.Message{At: now, Items: []holdfast.Item{item("crm", holdfast.Worsened)}, Thread: &holdfast.Thread{At: now, Items: []holdfast.Item{
		item("crm", holdfast.Opened), item("media", holdfast.Resolved), item("shop", holdfast.Opened),
	}}}
	still, more := plain.Still(m, plain.MaxStill)
	if len(still) != 1 || still[0].Finding.Job != "shop" || more != 0 {
		t.Errorf("got %+v and %d more, want shop", still, more)
	}
	for name, c := range map[string]struct {
		items []holdfast.Item
		want  string
	}{
		"some go on":    {m.Thread.Items, "Of what was told on 2025-10-28 14:00 UTC, this goes on too:"},
		"it goes on":    {m.Thread.Items[:2], "This goes on from what was told on 2025-10-28 14:00 UTC."},
		"it is over":    {[]holdfast.Item{item("crm", holdfast.Resolved)}, "This ends what was told on 2025-10-28 14:00 UTC."},
		"all are over":  {[]holdfast.Item{item("crm", holdfast.Resolved), item("shop", holdfast.Resolved)}, "With that, all of what was told on 2025-10-28 14:00 UTC is over."},
		"nothing is it": {nil, "This ends what was told on 2025-10-28 14:00 UTC."},
	} {
		m.Thread.Items, m.Thread.Open = c.items, 0
		for _, item := range c.items {
			if item.Step != holdfast.Resolved {
				m.Thread.Open++
			}
		}
		if got := plain.ThreadNote(m, nil); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestSubject(t *testing.T) {
	item := func(step holdfast.Step) holdfast.Item {
		return holdfast.Item{Step: step, Finding: holdfast.Finding{Check: "fresh", Severity: holdfast.Warning, Host: "web1", Job: "crm", Summary: "is stale"}}
	}
	for want, m := range map[string]holdfast.Message{
		"[warning] web1/crm: is stale":                 {Items: []holdfast.Item{item(holdfast.Opened)}},
		"[now warning] vault main: web1/crm: is stale": {Vault: "main", Items: []holdfast.Item{item(holdfast.Worsened)}},
		"[2 reminders] web1/crm: is stale; and 1 more": {Items: []holdfast.Item{item(holdfast.Reminder), item(holdfast.Reminder)}},
		"[2 resolved] web1/crm: is stale; and 1 more":  {Items: []holdfast.Item{item(holdfast.Resolved), item(holdfast.Resolved)}},
		"[2 changes] web1/crm: is stale; and 1 more":   {Items: []holdfast.Item{item(holdfast.Opened), item(holdfast.Resolved)}},
		"[5 changes] web1/crm: is stale; and 4 more":   {More: 3, Items: []holdfast.Item{item(holdfast.Resolved), item(holdfast.Resolved)}},
		"[weekly] 1 job, all healthy":                  {Kind: holdfast.KindDigest, Overview: &holdfast.Overview{Jobs: 1, OK: 1}},
		"[weekly] vault main: no job is watched":       {Kind: holdfast.KindDigest, Vault: "main", Overview: &holdfast.Overview{}},
		"[sample] [weekly] 12 jobs: 10 healthy, 2 not": {Sample: true, Kind: holdfast.KindDigest, Overview: &holdfast.Overview{Jobs: 12, OK: 10}},
		"[warning] web1/crm: fresh":                    {Items: []holdfast.Item{{Finding: holdfast.Finding{Check: "fresh", Severity: holdfast.Warning, Host: "web1", Job: "crm"}}}},
		"[critical] vault: cannot be judged":           {Items: []holdfast.Item{{Finding: holdfast.Finding{Severity: holdfast.Critical, Summary: "cannot be judged"}}}},
		"[nothing] there is nothing to tell":           {},
	} {
		if got := plain.Subject(m); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestLinkIsAURLOfTheWebOrNothing(t *testing.T) {
	for link, fit := range map[string]bool{
		"https://backup.example.com/status?t=1&u=%20": true, "http://127.0.0.1:8080/": true, "": false,
		"javascript:alert(1)": false, "https://backup.example.com/a b": false, "https://backup.example.com/\nx": false,
		"https://backup.example.com/|x>": false, "https://backup.example.com/\"x": false, "/status": false, "https://": false,
	} {
		want := ""
		if fit {
			want = link
		}
		if got := plain.Link(holdfast.Message{Link: link}); got != want {
			t.Errorf("%q: got %q", link, got)
		}
	}
	long := "https://backup.example.com/?t=" + strings.Repeat("x", 2000)
	if got := plain.Text(holdfast.Message{Link: long}, nil); !strings.Contains(got, long+"\n") {
		t.Errorf("a long link is cut: %s", got)
	}
}
