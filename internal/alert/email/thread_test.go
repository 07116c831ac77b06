package email

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
)

func TestAMailHasNoLinksButItsOwn(t *testing.T) {
	c := newChannel(t)
	for _, m := range sample.Hostile(now) {
		for i := range m.Items {
			m.Items[i].Finding.Summary += " https://evil.example.com/x www.evil.example.com"
			m.Items[i].Finding.Hint = "see https://docs.example.com/"
		}
		s := takeApart(t, written(t, c, m, refusal{"bob@example.com", "550 see https://evil.example.com/"}))
		for _, text := range []string{s.Get("Subject"), s.text, s.html} {
			own := strings.NewReplacer(link, "", "see https://docs.example.com/", "")
			if rest := own.Replace(text); strings.Contains(rest, "://") || strings.Contains(strings.ToLower(rest), "www.") {
				t.Errorf("%s: has a link of its own: %s", m.ID, rest)
			}
		}
		if !strings.Contains(s.text, "see https://docs.example.com/\n") || !strings.Contains(s.text, link) || !strings.Contains(s.html, link) {
			t.Errorf("%s: has not the hint, or the link, as it was", m.ID)
		}
	}
}

func TestAMailOfALargeThreadIsSmall(t *testing.T) {
	item := func(n int) holdfast.Item {
		return holdfast.Item{Step: holdfast.Opened, At: now, Finding: holdfast.Finding{
			Check: "fresh", Severity: holdfast.Critical, Host: "web1", Job: fmt.Sprintf("job%d", n), Summary: strings.Repeat("is stale ", 80), Since: now.Add(-time.Hour),
		}}
	}
	m := sample.Messages(now)[0]
	m.Items = []holdfast.Item{item(0)}
	m.Items[0].Step = holdfast.Resolved
	m.Thread = &holdfast.Thread{ID: "first", At: now.Add(-time.Hour), More: 970, Open: 999}
	for n := 1; n <= 30; n++ {
		m.Thread.Items = append(m.Thread.Items, item(n))
	}
	s := takeApart(t, written(t, newChannel(t), m))
	for kind, text := range map[string]string{"text": s.text, "html": s.html} {
		if len(text) > 15_000 {
			t.Errorf("%s: has %d bytes", kind, len(text))
		}
		for _, want := range []string{"999 of 1000 go on, these too:", "web1/job10: ", "and 989 more, which the status page shows."} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: has no %q: %s", kind, want, text)
			}
		}
		if strings.Contains(text, "web1/job11:") {
			t.Errorf("%s: names more than ten", kind)
		}
	}
}
