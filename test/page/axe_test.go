package page_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/holdfast-backup/holdfast/internal/status"
)

// axeFile is axe-core, which test/setup fetches.
const axeFile = "../../.cache/axe-core-4.14.1/axe.min.js"

// violation is one that axe-core found.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

func axe(p *tab) []violation {
	p.t.Helper()
	script, err := os.ReadFile(axeFile)
	if err != nil {
		p.t.Fatal(err, "(test/setup fetches it)")
	}
	run(p, chromedp.Evaluate[chromedp.Void](string(script)))
	return eval[[]violation](p, `axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }).then(r => {
		if (r.passes.length < 20) throw new Error("axe has looked at nothing")
		return r.violations
	})`)
}

func TestThePageIsAccessible(t *testing.T) {
	for _, c := range []struct {
		name string
		s    status.Status
		v    view
	}{
		{"3 jobs, light", threeJobs(), view{}},
		{"3 jobs, dark", threeJobs(), view{dark: true}},
		{"a bad day, light", badDay(), view{}},
		{"a bad day, dark", badDay(), view{dark: true}},
		{"a bad day on a phone", badDay(), view{width: 360, height: 740}},
		{"a bad day in two vaults, old", several(), view{now: noon.Add(3 * day)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := open(t, asFile(t, c.s), c.v)
			eval[bool](p, `document.querySelectorAll(".job").forEach(j => j.open = true) === undefined`)
			p.wait(`[...document.querySelectorAll(".chart")].every(c => c.querySelector("canvas"))`)
			p.settle()
			for _, v := range axe(p) {
				t.Errorf("%s: %s\n%s\n%s", v.ID, v.Help, v.Nodes[0].HTML, v.Nodes[0].Summary)
			}
		})
	}
}

// The tool must find something where there is something.
func TestAxeSeesWhatIsWrong(t *testing.T) {
	p := open(t, asFile(t, threeJobs()), view{})
	eval[bool](p, `document.querySelector("label span").remove() === undefined && !!document.querySelector("h1").style.setProperty("color", "#ccc") === false`)
	found := ""
	for _, v := range axe(p) {
		found += fmt.Sprint(v.ID, " ")
	}
	if found != "color-contrast " && found != "color-contrast label " {
		t.Errorf("found %q, want at least the contrast", found)
	}
}

func several() status.Status {
	s := badDay()
	other := threeJobs().Vaults[0]
	other.Name, other.Reachable = "offsite", false
	s.Vaults = append(s.Vaults, other)
	return s
}
