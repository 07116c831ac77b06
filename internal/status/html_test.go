package status

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
)

func render(t testing.TB, s Status) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, s, Options{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var (
	script = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
	style  = regexp.MustCompile(`(?s)<style>(.*?)</style>`)
	island = regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`)
	csp    = regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`)
)

// parse walks the page with a strict parser, in which every element has to be
// closed, and returns its text.
func parse(t *testing.T, page string) string {
	t.Helper()
	markup := island.ReplaceAllString(style.ReplaceAllString(script.ReplaceAllString(page, ""), ""), "")
	d := xml.NewDecoder(strings.NewReader(markup))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var text strings.Builder
	ids := map[string]bool{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return strings.Join(strings.Fields(text.String()), " ")
		}
		if err != nil {
			t.Fatalf("parse page: %v", err)
		}
		switch e := token.(type) {
		case xml.CharData:
			text.Write(e)
		case xml.EndElement:
			text.WriteByte(' ')
		case xml.StartElement:
			for _, a := range e.Attr {
				name := strings.ToLower(a.Name.Local)
				if strings.HasPrefix(name, "on") || name == "style" || name == "src" {
					t.Errorf("<%s> has the attribute %s", e.Name.Local, name)
				}
				if name == "href" && !strings.HasPrefix(a.Value, "#") && !strings.HasPrefix(a.Value, "data:image/svg+xml,") {
					t.Errorf("<%s> leads to %s", e.Name.Local, a.Value)
				}
				if name == "id" && ids[a.Value] {
					t.Errorf("the id %s is there twice", a.Value)
				}
				ids[a.Value] = ids[a.Value] || name == "id"
			}
		}
	}
}

func TestThePageIsReadableWithoutItsScript(t *testing.T) {
	text := parse(t, render(t, sample()))
	for _, want := range []string{
		"1 of 2 jobs needs attention", "As of 15 Mar 2026, 12:00 UTC", "Stored", "Cost a month 0.33 USD", "4 deleted, 160 MB freed", "1 not delivering",
		"the bucket keeps no versions", "Channel ops takes no messages", "holdfast alert test ops",
		"critical web2/ media silenced", "the newest good backup is 58h old", "Expected: every 24h, 2h grace", "on the host: pusher doctor",
		"since 14 Mar 2026, 04:00 UTC (32 h ago )", "Last good backup", "by 14 Mar 2026, 04:00 UTC",
		"12 backups since 4 Mar 2026: 9 MB to 40 MB, the newest 40 MB; out of the ordinary: 9 MB on 13 Mar 2026",
		"7d all, 16d daily, 8w weekly; always the newest 3", "March 2026", "1–8 daily", "9, 10, 12–15 all 7d", "11 held, all 7d",
		"dump: tar: /srv/media: permission denied", "restored", "not watched: old1/crm",
	} {
		if !strings.Contains(text, want) && !strings.Contains(strings.ReplaceAll(text, "\u00a0", " "), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestThePolicyAllowsWhatIsThereAndNothingElse(t *testing.T) {
	page := render(t, sample())
	policy := html.UnescapeString(csp.FindStringSubmatch(page)[1])
	for directive, content := range map[string]string{
		"script-src": script.FindStringSubmatch(page)[1], "style-src": style.FindStringSubmatch(page)[1],
	} {
		if want := directive + " '" + hashOf(content) + "'"; !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %s", policy, want)
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("policy: %s", policy)
	}
	if n := strings.Count(page, "<script"); n != 2 {
		t.Errorf("%d scripts, want the data and one", n)
	}
}

func TestHostileTextsStayTexts(t *testing.T) {
	const evil = "</script><img src=x onerror=alert(1)>\"'`<!--\u202egnp\x1b[31m\n${1}"
	s := sample()
	s.Program = evil
	v := &s.Vaults[0]
	v.Name, v.Unwatched, v.Channels[0] = evil, []string{evil}, Channel{Name: evil, Err: evil}
	v.Findings[0].Summary, v.Cost.Currency = evil, evil
	j := &v.Jobs[1]
	j.Host, j.Job, j.Keep, j.Every, j.Grace = evil, evil, evil, evil, evil
	j.Backups[0].Kept, j.Failures[0].Reason, j.Backups[0].Fault = []string{evil}, evil, evil
	j.Findings = []holdfast.Finding{{Check: evil, Severity: evil, Summary: evil, Expected: evil, Actual: evil, Hint: evil, Backup: evil}}
	page := render(t, s)
	parse(t, page)
	for _, bad := range []string{"<img", "onerror=alert(1)>\"", "\u202e", "\x1b", "<!--"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if n := strings.Count(page, "</script>"); n != 2 {
		t.Errorf("%d scripts end, want 2", n)
	}
	var b bytes.Buffer
	if err := Metrics(&b, s); err != nil {
		t.Fatal(err)
	}
	if _, err := parseMetrics(b.String()); err != nil {
		t.Error(err)
	}
}

func TestThePageIsSmall(t *testing.T) {
	for _, c := range []struct{ jobs, backups, limit int }{{3, 90, 110_000}, {50, 90, 300_000}, {200, 50, 900_000}, {1000, 50, 4_500_000}} {
		page := render(t, crowd(c.jobs, c.backups))
		parse(t, page)
		t.Logf("%d jobs of %d backups: %d bytes", c.jobs, c.backups, len(page))
		if len(page) > c.limit {
			t.Errorf("%d jobs of %d backups: %d bytes, want at most %d", c.jobs, c.backups, len(page), c.limit)
		}
	}
}

func TestAPageOfManyBackupsDrawsTheNewestOnes(t *testing.T) {
	d := newJobData(crowd(1, 200).Vaults[0].Jobs[0])
	times := func(d jobData) (all []int64) {
		var at int64
		for _, t := range d.Times {
			at += t
			all = append(all, at)
		}
		return all
	}
	before := times(d)
	size := d.Sizes[len(d.Sizes)-1]
	d.thin(30)
	after := times(d)
	if len(after) != 30 || len(d.Sizes) != 30 || after[0] != before[0] || after[15] != before[len(before)-15] || after[29] != before[len(before)-1] || d.Sizes[29] != size {
		t.Errorf("got %v of %v", after, before)
	}
}

func TestSeveralVaultsAndNone(t *testing.T) {
	s := sample()
	other := s.Vaults[0]
	other.Name, other.Reachable, other.Jobs = "offsite", false, nil
	s.Vaults = append(s.Vaults, other)
	text := parse(t, render(t, s))
	for _, want := range []string{"1 of 2 vaults cannot be reached", "Vault main", "Vault offsite", "not reachable", "Nothing is backed up here yet"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if text := parse(t, render(t, Status{At: noon})); !strings.Contains(text, "Nothing is backed up yet") {
		t.Errorf("got %s", text)
	}
}

func TestUPlotIsWhatItsAuthorReleased(t *testing.T) {
	readme, err := os.ReadFile("asset/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"uplot/uPlot.iife.min.js", "uplot/uPlot.min.css", "uplot/LICENSE"} {
		body, err := os.ReadFile(filepath.Join("asset", file))
		if err != nil {
			t.Fatal(err)
		}
		if line := fmt.Sprintf("%x  %s\n", sha256.Sum256(body), file); !strings.Contains(string(readme), line) {
			t.Errorf("asset/README.md lacks %q", line)
		}
	}
}
