package plain

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// Link returns the link of m, which is "" unless it is a URL of the web without
// anything in it that could end it early.
func Link(m holdfast.Message) string {
	u, err := url.Parse(m.Link)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.ContainsFunc(m.Link, breaksURL) {
		return ""
	}
	return m.Link
}

func breaksURL(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"<>|\\^`{}", r) }

// ending is the last paragraph of a text, with the link; "" without one.
func ending(m holdfast.Message) string {
	link := Link(m)
	if link == "" {
		return ""
	}
	return "\nStatus page:\n" + link + "\n"
}

// address is where clients see a link: from :// or www. to where a path begins.
// "[" ends it too, so that none begins inside another.
var address = regexp.MustCompile(`(?i)(\[:\]//|www\.)[^\s/?#\[]*`)

// Unlinked returns text with its URLs written so that no client makes links of
// them, and people still read them: https[:]//db1[.]example[.]com/x.
func Unlinked(text string) string {
	text = strings.ReplaceAll(text, "://", "[:]//")
	return address.ReplaceAllStringFunc(text, func(s string) string { return strings.ReplaceAll(s, ".", "[.]") })
}

// WithoutLinks returns m with all Unlinked that hosts, tools and stores may have
// written. What Holdfast itself says to do next, and the link, stay as they are.
func WithoutLinks(m holdfast.Message) holdfast.Message {
	m.Vault, m.Items = Unlinked(m.Vault), unlinked(m.Items)
	if m.Thread != nil {
		thread := *m.Thread
		thread.Items = unlinked(thread.Items)
		m.Thread = &thread
	}
	if m.Overview != nil {
		overview := *m.Overview
		overview.Open = unlinked(overview.Open)
		m.Overview = &overview
	}
	return m
}

func unlinked(items []holdfast.Item) []holdfast.Item {
	items = slices.Clone(items)
	for i := range items {
		f := &items[i].Finding
		for _, text := range []*string{&f.Check, &f.Host, &f.Job, &f.Summary, &f.Expected, &f.Actual} {
			*text = Unlinked(*text)
		}
		f.Severity, f.Backup = holdfast.Severity(Unlinked(string(f.Severity))), holdfast.ID(Unlinked(string(f.Backup)))
		if last := items[i].Last; last != nil {
			own := *last
			own.ID = holdfast.ID(Unlinked(string(own.ID)))
			items[i].Last = &own
		}
	}
	return items
}
