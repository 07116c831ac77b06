package plain

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-backup/holdfast"
)

// columns is how wide a text is, where it can be: mail clients wrap at 78.
const columns = 78

// page is a text in the making.
type page struct{ strings.Builder }

// gap leaves a line empty.
func (p *page) gap() { p.WriteString("\n") }

// paragraph writes a paragraph, after an empty line. Its line ends stay.
func (p *page) paragraph(text string) {
	p.gap()
	for line := range strings.SplitSeq(text, "\n") {
		p.wrapped("", "", line)
	}
}

// list names items, a line each.
func (p *page) list(items []holdfast.Item) {
	for _, item := range items {
		p.wrapped("  - ", "    ", strings.ToUpper(Label(item))+": "+Brief(item))
	}
}

// facts writes a table of facts, after an empty line, with values of at most so many
// characters.
func (p *page) facts(facts []Fact, longest int) {
	if len(facts) == 0 {
		return
	}
	p.gap()
	width := 0
	for _, f := range facts {
		width = max(width, len(f.Name))
	}
	for _, f := range facts {
		name := fmt.Sprintf("  %-*s  ", width+1, f.Name+":")
		if f.Copy {
			p.WriteString(name + Cut(f.Value, max(longest, minCopy)) + "\n")
			continue
		}
		p.wrapped(name, strings.Repeat(" ", len(name)), Cut(f.Value, longest))
	}
}

// wrapped writes text, which begins after first and goes on in further lines
// after rest. Words are not cut.
func (p *page) wrapped(first, rest, text string) {
	at := first
	used := utf8.RuneCountInString(at)
	begun := false
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		if begun && used+1+n > columns {
			p.WriteString(at + "\n")
			at, used, begun = rest, utf8.RuneCountInString(rest), false
		}
		if begun {
			at, used = at+" ", used+1
		}
		at, used, begun = at+word, used+n, true
	}
	p.WriteString(strings.TrimRight(at, " ") + "\n")
}

// Cut returns text with at most n characters, the last an ellipsis where there
// were more. It never cuts inside a character.
func Cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	runes := []rune(text)
	return strings.TrimRight(string(runes[:max(n-1, 0)]), " ") + "…"
}

// cutBytes returns text with at most n bytes.
func cutBytes(text string, n int) string {
	const mark = "…\n"
	if len(text) <= n {
		return text
	}
	n = max(n-len(mark), 0)
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + mark
}
