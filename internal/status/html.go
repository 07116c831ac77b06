package status

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
)

// The parts of the page; asset/README.md says where uPlot is from.
var (
	//go:embed asset/page.html
	pageHTML string
	//go:embed asset/page.css
	pageCSS string
	//go:embed asset/page.js
	pageJS string
	//go:embed asset/uplot/uPlot.iife.min.js
	uplotJS string
	//go:embed asset/uplot/uPlot.min.css
	uplotCSS string
)

var page = template.Must(template.New("page").Parse(dense(pageHTML)))

// dense leaves out the indentation of a template, which a page of hundreds of
// jobs would repeat as often.
func dense(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

// Options are what a page says beside the status.
type Options struct {
	Title string // default "Backups"
}

// HTML writes the page: one file that asks nothing of anybody. It is readable as
// it is; its script adds charts, search, and ages that keep up with the clock.
func HTML(w io.Writer, s Status, o Options) error {
	v := newView(s, o)
	script, style := uplotJS+"\n"+pageJS, uplotCSS+"\n"+pageCSS
	v.Script, v.Style = template.JS(script), template.CSS(style)
	v.Policy = fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; img-src data:; base-uri 'none'; form-action 'none'",
		hashOf(script), hashOf(style))
	if err := page.Execute(w, v); err != nil {
		return fmt.Errorf("write status page: %w", err)
	}
	return nil
}

// hashOf names a script or a style in a content security policy.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
