// Package plain renders messages as plain text: a subject of one line, and a body
// that any mail client or pager shows well. It also says in what words each piece
// of a message is told (Label, Headline, Facts, Tally, …), so that every channel
// says the same and only sets it differently.
//
// What it returns is one line each, printable, and not escaped for any medium.
package plain

import (
	"fmt"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-backup/holdfast"
)

// maxSubject is the length of a subject, in characters: what Slack takes as a
// header, and more than a list of mails shows.
const maxSubject = 150

// Subject returns what m says in one line, of at most 150 characters:
//
//	[critical] web1/crm: the newest good backup is 31h old
//	[4 changes] web1/crm: the newest good backup is 31h old; and 3 more
//	[weekly] 12 jobs: 10 healthy, 2 not
func Subject(m holdfast.Message) string {
	var s string
	switch {
	case m.Kind == holdfast.KindDigest && m.Overview != nil:
		s = "[weekly] " + inVault(m) + verdict(*m.Overview)
	case len(m.Items) == 0:
		s = "[nothing] there is nothing to tell"
	case len(m.Items) == 1 && m.More == 0:
		s = fmt.Sprintf("[%s] %s", Label(m.Items[0]), headline(m))
	default:
		s = fmt.Sprintf("[%s] %s", changes(m), headline(m))
		rest := fmt.Sprintf("; and %d more", len(m.Items)+m.More-1)
		s = Cut(s, maxSubject-utf8.RuneCountInString(rest)-len(sampleMark)) + rest
	}
	if m.Sample {
		s = sampleMark + s
	}
	return Cut(s, maxSubject)
}

// sampleMark begins the subject of a sample.
const sampleMark = "[sample] "

// headline is that of the first item, with the vault's name.
func headline(m holdfast.Message) string {
	if f := m.Items[0].Finding; f.Host == "" && m.Vault != "" {
		return inVault(m) + line(f.Summary)
	}
	return inVault(m) + Headline(m.Items[0])
}

func inVault(m holdfast.Message) string {
	if m.Vault == "" {
		return ""
	}
	return "vault " + line(m.Vault) + ": "
}

func verdict(o holdfast.Overview) string {
	switch {
	case o.Jobs == 0:
		return "no job is watched"
	case o.OK == o.Jobs:
		return number(o.Jobs, "job") + ", all healthy"
	}
	return fmt.Sprintf("%s: %d healthy, %d not", number(o.Jobs, "job"), o.OK, o.Jobs-o.OK)
}

// Text returns the whole of m, times in loc, in lines of at most 78 characters
// but for links and for what is to be copied. It ends with a newline.
func Text(m holdfast.Message, loc *time.Location) string {
	return render(m, len(m.Items), loc)
}

// Short is Text with as many items, from the first on, as fit into limit bytes;
// the others are counted. Where not even one fits, the text is cut.
func Short(m holdfast.Message, loc *time.Location, limit int) string {
	if all := Text(m, loc); len(all) <= limit || len(m.Items) < 2 {
		return cutBytes(all, limit)
	}
	// The least number that is too many, less one.
	shown := sort.Search(len(m.Items)-1, func(n int) bool { return len(render(m, n+1, loc)) > limit })
	return cutBytes(render(m, max(shown, 1), loc), limit)
}

func render(m holdfast.Message, shown int, loc *time.Location) string {
	var p page
	m.More += len(m.Items) - shown
	m.Items = m.Items[:shown]
	if m.Sample {
		p.paragraph(SampleNote)
	}
	if m.Kind == holdfast.KindDigest && m.Overview != nil {
		p.overview(m, loc)
	}
	if n := len(m.Items) + m.More; n > 1 {
		p.paragraph(Tally(m) + ":")
		p.list(m.Items)
		if m.More > 0 {
			p.paragraph(MoreNote(m))
		}
	}
	for _, item := range m.Items {
		p.item(m, item, loc)
	}
	if note, still := ThreadNote(m, loc), Still(m); note != "" {
		p.paragraph(note)
		p.list(still)
	}
	if link := Link(m); link != "" {
		p.paragraph("Status page:\n" + link)
	}
	return strings.TrimLeft(p.String(), "\n")
}

// item says all of one item.
func (p *page) item(m holdfast.Message, item holdfast.Item, loc *time.Location) {
	p.paragraph(fmt.Sprintf("%s: %s", strings.ToUpper(Label(item)), Headline(item)))
	p.facts(Facts(m, item, loc))
}

// overview says how the whole stands.
func (p *page) overview(m holdfast.Message, loc *time.Location) {
	p.paragraph(verdict(*m.Overview) + ".")
	p.facts(OverviewFacts(m, loc))
	if len(m.Overview.Open) > 0 {
		p.paragraph("What is wrong:")
		for _, item := range m.Overview.Open {
			p.item(m, item, loc)
		}
	}
}
