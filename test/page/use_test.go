package page_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/holdfast-backup/holdfast/internal/status"
)

func TestTheThemeIsOnesChoice(t *testing.T) {
	const background = `getComputedStyle(document.body).backgroundColor`
	p := open(t, asSite(t, threeJobs()), view{})
	light := eval[string](p, background)
	p.do(chromedp.Click(chromedp.CSS(`#theme input[value=dark] + span`)))
	p.wait(background + ` !== "` + light + `"`)
	dark := eval[string](p, background)
	if light != "rgb(246, 247, 249)" || dark != "rgb(16, 21, 27)" {
		t.Errorf("got %s and %s", light, dark)
	}
	p.do(chromedp.Reload())
	if got := eval[string](p, background); got != dark {
		t.Errorf("after a reload: got %s, want %s as chosen", got, dark)
	}
}

func TestAPhoneNeedsNoSidewaysScroll(t *testing.T) {
	for name, s := range map[string]status.Status{"3 jobs": threeJobs(), "a bad day": badDay(), "hostile texts": hostile()} {
		t.Run(name, func(t *testing.T) {
			p := open(t, asFile(t, s), view{width: 360, height: 740})
			eval[bool](p, `document.querySelectorAll(".job").forEach(j => j.open = true) === undefined`)
			p.wait(`[...document.querySelectorAll(".chart")].every(c => c.querySelector("canvas"))`)
			p.settle()
			if got := eval[int](p, `document.documentElement.scrollWidth`); got > 360 {
				t.Errorf("the page is %d px wide", got)
			}
			if wide := eval[[]string](p, `[...document.querySelectorAll("main *")].filter(e => e.checkVisibility() && !e.closest(".vh, svg, .plot, .spark, fieldset") && e.getBoundingClientRect().right > 361).map(e => e.outerHTML.slice(0, 80))`); len(wide) > 0 {
				t.Errorf("too wide: %q", wide)
			}
		})
	}
}

func TestTheKeyboardIsEnough(t *testing.T) {
	p := open(t, asFile(t, threeJobs()), view{})
	active := func() string {
		return eval[string](p, `(e => e.tagName + (e.id && "#" + e.id) + (e.matches("summary") ? " " + e.parentNode.id : "") + (e.type === "radio" ? " " + e.value : ""))(document.activeElement)`)
	}
	var visited []string
	for range 9 {
		p.do(chromedp.KeyEvent(kb.Tab))
		visited = append(visited, active())
		if !eval[bool](p, `(e => { const s = getComputedStyle(e.type === "radio" ? e.nextElementSibling : e); return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1 })(document.activeElement)`) {
			t.Errorf("the focus on %s is not seen", active())
		}
	}
	want := "A INPUT INPUT#q SELECT#state SELECT#host SELECT#sort SUMMARY main/db1/orders SUMMARY main/web1/crm SUMMARY main/web1/media"
	if got := strings.ReplaceAll(strings.Join(visited, " "), "INPUT  INPUT#q", "INPUT INPUT#q"); got != want {
		t.Errorf("Tab goes to %s, want %s", got, want)
	}
	p.do(chromedp.KeyEvent(kb.Enter))
	p.wait(`document.getElementById("main/web1/media").open && document.querySelector("[open] .chart canvas") !== null`)
	p.do(chromedp.KeyEvent(kb.Tab))
	if got := eval[string](p, `document.activeElement.textContent`); got != "Recent" {
		t.Errorf("the next is %q, want the button of the chart", got)
	}
}

func TestOldAgesAreKeptUpAndAnOldPageSaysSo(t *testing.T) {
	const age, old = `document.querySelector("[id='main/web1/crm'] .age time").textContent`, `document.getElementById("old").checkVisibility()`
	s := threeJobs()
	p := open(t, asFile(t, s), view{now: noon.Add(50 * time.Minute)})
	if got := eval[string](p, age); got != "10 h ago" || eval[bool](p, old) {
		t.Errorf("after 50 minutes: got %q, warned %v", got, eval[bool](p, old))
	}
	p = open(t, asFile(t, s), view{now: noon.Add(30 * time.Hour)})
	if got := eval[string](p, age); got != "40 h ago" || !eval[bool](p, old) {
		t.Errorf("after 30 hours: got %q, warned %v", got, eval[bool](p, old))
	}
	if got := eval[string](p, `document.getElementById("old").textContent`); got != "This page is from 30 h ago. It is old: is the monitor still running?" {
		t.Errorf("the warning says %q", got)
	}
}
