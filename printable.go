package holdfast

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxPrintable is the longest line that Printable returns, in bytes.
const maxPrintable = 1000

// Printable returns a text of foreign origin (a manifest, an archive, a program,
// a server) as one line that is fit for a terminal and a log: control and
// formatting characters, line ends among them, and bytes that are no UTF-8
// become escapes such as \x1b, and what is too long is cut. Printable text of a
// usual length stays as it is.
func Printable(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if b.Len() >= maxPrintable {
			b.WriteString("…")
			break
		}
		if r != utf8.RuneError && strconv.IsPrint(r) {
			b.WriteString(text[:n])
		} else {
			quoted := strconv.QuoteToASCII(text[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[n:]
	}
	return b.String()
}

// PrintableLines is Printable for a text of several lines, which stay lines, as
// tabs stay tabs.
func PrintableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		fields := strings.Split(strings.TrimSuffix(line, "\r"), "\t")
		for j := range fields {
			fields[j] = Printable(fields[j])
		}
		lines[i] = strings.Join(fields, "\t")
	}
	return strings.Join(lines, "\n")
}
