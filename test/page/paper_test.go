package page_test

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

func TestPaper(t *testing.T) {
	p := open(t, asFile(t, badDay()), view{dark: true})
	pdf := run(p, chromedp.PrintToPDF(chromedp.PDFPrintBackground()))
	pages := len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(pdf, -1))
	if !bytes.HasPrefix(pdf, []byte("%PDF-")) || pages < 2 || pages > 10 {
		t.Errorf("printed %d pages in %d bytes", pages, len(pdf))
	}
	p.wait(`document.querySelector("[open]") === null`) // closed again

	// The same by the rules for paper, looked at on the screen.
	p.do(call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}))
	for what, want := range map[string]bool{"#controls": false, "#theme": false, ".skip": false, ".hero": true, ".findings li": true, ".next code": true, ".cal": true, ".job summary": true} {
		if got := eval[bool](p, `[...document.querySelectorAll("`+what+`")].every(e => e.checkVisibility({ contentVisibilityAuto: true }) || e.closest(".job.ok"))`); got != want {
			t.Errorf("on paper %s is visible: %v", what, got)
		}
	}
	if got := eval[string](p, `getComputedStyle(document.querySelector("h1")).color`); got != "rgb(26, 34, 45)" {
		t.Errorf("on paper the text is %s, want dark", got)
	}
	p.quiet()
}
