package slack

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// size returns the length of text as the strictest reader of Slack's limits would
// have it: in UTF-16 units.
func size(text string) int {
	n := 0
	for _, r := range text {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// escape returns text as Slack's mrkdwn shows it, in at most limit characters: what
// does not fit is cut, and an ellipsis says so. Without <, nothing in it is a link, a
// mention or a command. Letters that set in bold or italics stay what they are.
func escape(text string, limit int) string {
	return shorten(text, limit, func(r rune) string {
		switch r {
		case '&':
			return "&amp;"
		case '<':
			return "&lt;"
		case '>':
			return "&gt;"
		}
		return string(r)
	})
}

// code returns text in a fixed-width face, in which nothing else is set; the mark
// that would end it becomes one that looks like it.
func code(text string, limit int) string {
	return marked("`", strings.NewReplacer("`", "ˋ", "\n", " ").Replace(text), limit)
}

// struck returns text struck out.
func struck(text string, limit int) string {
	return marked("~", strings.NewReplacer("~", "∼", "\n", " ").Replace(text), limit)
}

func marked(mark, text string, limit int) string {
	text = strings.TrimSpace(text)
	if text == "" || limit < 3 {
		return ""
	}
	return mark + escape(text, limit-2) + mark
}

// cut returns text as plain_text, in at most limit characters.
func cut(text string, limit int) string {
	return shorten(text, limit, func(r rune) string { return string(r) })
}

// shorten writes the characters of text as written has them, and never a part of
// what it makes of one.
func shorten(text string, limit int, written func(r rune) string) string {
	const more = "…"
	var b strings.Builder
	used, fitting := 0, 0 // fitting is the length, in bytes, up to which more fits as well
	for _, r := range text {
		s := written(r) // RuneError for what is no UTF-8
		n := size(s)
		if used+n > limit {
			if limit < 1 {
				return ""
			}
			return b.String()[:fitting] + more
		}
		b.WriteString(s)
		if used += n; used+size(more) <= limit {
			fitting = b.Len()
		}
	}
	return b.String()
}

// link returns a link, or "" if it is longer than limit. address must be a URL.
func link(address, label string, limit int) string {
	address = strings.ReplaceAll(address, "&", "&amp;")
	if s := "<" + address + "|" + escape(label, limit) + ">"; size(s) <= limit && utf8.ValidString(s) && !strings.ContainsAny(address, "<>|") {
		return s
	}
	return ""
}
