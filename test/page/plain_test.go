package page_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestWithoutJavaScriptItIsAllThere(t *testing.T) {
	p := open(t, asFile(t, badDay()), view{noScript: true})
	if n := eval[int](p, `document.querySelectorAll("canvas").length`); n != 0 {
		t.Fatalf("%d charts: JavaScript runs", n)
	}
	if eval[bool](p, `document.getElementById("controls").checkVisibility() || document.getElementById("theme").checkVisibility()`) {
		t.Error("there are controls that do nothing")
	}
	p.do(chromedp.Click(chromedp.CSS(`[id="main/db1/orders"] summary`)))
	text := eval[string](p, `document.body.innerText`)
	for _, want := range []string{
		"4 of 6 jobs need attention", "all ages are of that moment", "the newest good backup is 58h old", "on the host: pusher doctor",
		"password authentication failed", "38 backups since", "March 2026", "all 7d", "the bucket keeps no versions",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	p.quiet()
}
