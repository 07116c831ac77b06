package page_test

import (
	"fmt"
	"strings"
	"testing"
)

// visible returns the names of the jobs that are shown, in their order.
func visible(p *tab) string {
	p.t.Helper()
	return eval[string](p, `[...document.querySelectorAll(".job")].filter(j => j.checkVisibility()).map(j => j.id).join(" ")`)
}

// choose sets a control as a person does, so that the page hears of it.
func choose(p *tab, id, value string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`(e => { e.value = %q; e.dispatchEvent(new Event("input")); e.dispatchEvent(new Event("change")); return e.value === %[1]q })(document.getElementById(%q))`, value, id))
}

func TestSearchAndFilters(t *testing.T) {
	p := open(t, asFile(t, manyJobs(200)), view{})
	for _, c := range []struct {
		name                 string
		search, state, host  string
		found, first, absent string
	}{
		{"nothing", "", "", "", "200 jobs", "main/web7/billing main/web11/crm", "-"},
		{"text", "web1/crm", "", "", "1 of 200 jobs", "main/web1/crm", "web2"},
		{"words in any order, of findings too", "usual crm", "", "", "3 of 200 jobs", "main/web11/crm main/web5/crm main/web6/crm", "billing"},
		{"a state", "", "critical", "", "1 of 200 jobs", "main/web7/billing", "crm"},
		{"what is not ok", "", "bad", "", "4 of 200 jobs", "main/web7/billing main/web11/crm", "main/web1/"},
		{"what is silenced", "", "silenced", "", "1 of 200 jobs", "main/web4/wiki", "crm"},
		{"a host", "", "", "web20", "10 of 200 jobs", "main/web20/billing", "main/web2/"},
		{"all at once", "photos", "ok", "web20", "1 of 200 jobs", "main/web20/photos", "main/web2/"},
		{"what is not there", "nowhere", "", "", "0 of 200 jobs", "", "main"},
	} {
		choose(p, "q", c.search)
		choose(p, "state", c.state)
		choose(p, "host", c.host)
		shown := visible(p)
		if found := eval[string](p, `document.getElementById("found").textContent`); found != c.found || !strings.HasPrefix(shown, c.first) || strings.Contains(shown, c.absent) {
			t.Errorf("%s: got %q: %.90s…; want %q, %s first and no %s", c.name, found, shown, c.found, c.first, c.absent)
		}
	}
	p.quiet()
}

func TestOrder(t *testing.T) {
	p := open(t, asFile(t, badDay()), view{})
	for by, want := range map[string]string{
		"name":   "main/db1/orders main/db1/stats main/web1/crm main/web1/etc main/web2/media main/web2/wiki",
		"":       "main/db1/orders main/web1/crm main/web2/wiki main/web2/media main/db1/stats main/web1/etc",
		"age":    "main/web2/wiki main/db1/orders main/",
		"size":   "main/db1/stats main/web2/media main/db1/orders",
		"stored": "main/db1/stats main/web2/media main/web1/crm",
	} {
		choose(p, "sort", by)
		if got := visible(p); !strings.HasPrefix(got, want) {
			t.Errorf("by %q: got %s, want %s", by, got, want)
		}
	}
}

func TestALinkOpensItsJob(t *testing.T) {
	p := open(t, asFile(t, manyJobs(200))+"#main/web20/crm", view{})
	p.wait(`document.getElementById("main/web20/crm").open`)
	p.settle()
	if got := eval[float64](p, `document.getElementById("main/web20/crm").getBoundingClientRect().top`); got < 0 || got > 800 {
		t.Errorf("the job is at %v, out of sight", got)
	}
}
