// Package plain renders messages as plain text: a subject of one line, and a body
// that any mail client or pager shows well. It also says in what words each piece
// of a message is told (Label, Headline, Facts, Tally, …), so that every channel
// says the same and only sets it differently.
//
// What it returns is one line each, printable, and not escaped for any medium.
package plain

import (
	"fmt"
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
	return strings.TrimLeft(render(m, whole(m), loc)+ending(m), "\n")
}

// items are what m is about: what has changed, or what is wrong.
func items(m holdfast.Message) []holdfast.Item {
	if isDigest(m) {
		return m.Overview.Open
	}
	return m.Items
}

func isDigest(m holdfast.Message) bool { return m.Kind == holdfast.KindDigest && m.Overview != nil }

// listed reports whether a text names the items of m in a list: where there are
// several, and in a digest where not all of them are told below.
func listed(m holdfast.Message, s shape) bool {
	if isDigest(m) {
		return s.told < len(m.Overview.Open)
	}
	return len(m.Items)+m.More > 1
}

// render returns what is said of m, but for the link.
func render(m holdfast.Message, s shape, loc *time.Location) string {
	var p page
	if m.Sample {
		p.paragraph(SampleNote)
	}
	all := items(m)
	switch {
	case isDigest(m):
		p.paragraph(verdict(*m.Overview) + ".")
		p.facts(OverviewFacts(m, loc), s.value)
		if len(all) > 0 {
			p.paragraph("What is wrong:")
		}
	case listed(m, s):
		p.paragraph(Tally(m) + ":")
	}
	if listed(m, s) {
		p.list(all[:s.named])
		rest := m
		if rest.More += len(all) - s.named; rest.More > 0 {
			p.paragraph(MoreNote(rest))
		}
	}
	for _, item := range all[:s.told] {
		p.item(m, item, loc, s.value)
	}
	p.thread(m, loc, s.still)
	return strings.TrimLeft(p.String(), "\n")
}

// item says all of one item.
func (p *page) item(m holdfast.Message, item holdfast.Item, loc *time.Location, longest int) {
	p.paragraph(strings.ToUpper(Label(item)) + ": " + Cut(Headline(item), longest))
	p.facts(Facts(m, item, loc), longest)
}

// thread says what m goes on from, and names so many that go on with it.
func (p *page) thread(m holdfast.Message, loc *time.Location, most int) {
	note := threadNote(m, loc, most)
	if note == "" {
		return
	}
	p.paragraph(note)
	still, more := Still(m, most)
	p.list(still)
	if more > 0 && len(still) > 0 {
		p.paragraph(StillMore(m, more))
	}
}
