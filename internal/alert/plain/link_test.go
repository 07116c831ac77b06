package plain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/alert/plain"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
)

func TestUnlinked(t *testing.T) {
	for text, want := range map[string]string{
		`Get "https://db1.example.com:5432/a.b?c=d.e": EOF`: `Get "https[:]//db1[.]example[.]com:5432/a.b?c=d.e": EOF`,
		"see WWW.Example.com/x.html":                        "see WWW[.]Example[.]com/x.html",
		"s3://acme/web1/crm: access denied":                 "s3[:]//acme/web1/crm: access denied",
		"[here](http://user@evil.example.com)":              "[here](http[:]//user@evil[.]example[.]com)",
		"a://b://c.d://e":                                   "a[:]//b[:]//c[.]d[:]//e",
		":::://///x.y":                                      ":::[:]/////x.y",
		"db1.example.com:5432 refused, crm.sql.zst: 1.2MB":  "db1.example.com:5432 refused, crm.sql.zst: 1.2MB",
		"": "",
	} {
		got := plain.Unlinked(text)
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if again := plain.Unlinked(got); again != got {
			t.Errorf("twice: got %s, want %s", again, got)
		}
	}
}

func TestWithoutLinksLeavesTheHintAndTheLink(t *testing.T) {
	const url = "https://www.evil.example.com/x"
	for _, m := range append(sample.Messages(now), sample.Hostile(now)...) {
		for i := range m.Items {
			f := &m.Items[i].Finding
			f.Summary, f.Expected, f.Actual, f.Hint = url, url, url, "read https://docs.example.com/www.html"
		}
		before := plain.Text(m, time.UTC)
		text := plain.Text(plain.WithoutLinks(m), time.UTC)
		if after := plain.Text(m, time.UTC); after != before {
			t.Errorf("%s: is changed itself", name(m))
		}
		hints := strings.Count(text, "read https://docs.example.com/www.html\n")
		if len(m.Items) > 0 && hints != strings.Count(text, "Next:") {
			t.Errorf("%s: a hint is changed:\n%s", name(m), text)
		}
		if m.Overview == nil && strings.Count(text, "://") != hints+1 || !strings.HasSuffix(text, m.Link+"\n") {
			t.Errorf("%s: has links of its own, or none:\n%s", name(m), text)
		}
	}
}
