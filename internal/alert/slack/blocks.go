package slack

import (
	"fmt"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
)

// Limits of Block Kit, by https://docs.slack.dev/reference/block-kit/blocks.
const (
	maxBlocks  = 50
	maxHeader  = 150
	maxSection = 3000
	maxField   = 2000
	maxFields  = 10
)

// Limits of our own.
const (
	// maxAll is how much a message holds, with what each block and field adds
	// to it. Slack answers msg_blocks_too_long at about 13,200, of which it
	// counts some 125 for a divider.
	maxAll   = 10_000
	overhead = 100
	// maxValue is the length of a value, maxHeadline that of a headline,
	// maxLink that of the link: one hostile text does not take the room of all.
	maxValue    = 500
	maxHeadline = 700
	maxLink     = 2900
	// detailed is how many items are told with all that is known of them.
	detailed = 3
	// listed is how many items of a thread that go on are named.
	listed = 5
)

// page is a message in the making.
type page struct {
	blocks []slack.Block
	left   int // of maxAll
}

// blocks returns m in blocks: what fits, the worst first, and the number of the rest.
func blocks(subject string, m holdfast.Message, loc *time.Location) []slack.Block {
	tail := tailOf(m, loc)
	p := &page{left: maxAll - cost(tail)}
	p.add(header(subject, m))
	if m.Sample {
		p.add(contextBlock(escape(plain.SampleNote, maxField)))
	}
	items := m.Items
	if m.Kind == holdfast.KindDigest && m.Overview != nil {
		p.add(section("", fields(plain.OverviewFacts(m, loc))))
		items = m.Overview.Open
	} else if len(m.Items)+m.More > 1 {
		p.add(section("*"+escape(plain.Tally(m), maxField)+"*", nil))
	}
	shown := p.items(m, items, loc, maxBlocks-len(tail)-1)
	m.More += len(items) - shown
	if note := plain.MoreNote(m); note != "" {
		p.add(contextBlock(escape(note, maxField)))
	}
	return append(p.blocks, tail...)
}

// tailOf returns what every message ends with: what else of its thread goes on,
// and the link.
func tailOf(m holdfast.Message, loc *time.Location) []slack.Block {
	var tail []slack.Block
	if note := plain.ThreadNote(m, loc); note != "" {
		lines := []string{escape(note, maxValue)}
		still, more := plain.Still(m, listed)
		for _, item := range still {
			lines = append(lines, "• "+mark(item)+" *"+escape(plain.Label(item), 50)+"*  "+escape(plain.Brief(item), maxValue/2))
		}
		if more > 0 && len(still) > 0 {
			lines = append(lines, fmt.Sprintf("and %d more", more))
		}
		tail = append(tail, contextBlock(strings.Join(lines, "\n")))
	}
	if l := link(plain.Link(m), "Status page", maxLink); l != "" && plain.Link(m) != "" {
		tail = append(tail, section(l, nil))
	}
	return tail
}

// items adds as many items as there is room for, and returns how many.
func (p *page) items(m holdfast.Message, items []holdfast.Item, loc *time.Location, most int) int {
	for i, item := range items {
		full, short := details(m, item, loc), []slack.Block{summary(m, item, loc)}
		switch {
		case len(items) <= detailed && p.fits(full, most):
			p.add(full...)
		case p.fits(short, most):
			p.add(short...)
		default:
			return i
		}
	}
	return len(items)
}

// reserve is kept for the number of items that are left out.
const reserve = 100 + 2*overhead

func (p *page) fits(blocks []slack.Block, most int) bool {
	return cost(blocks)+reserve <= p.left && len(p.blocks)+len(blocks) <= most
}

func (p *page) add(blocks ...slack.Block) {
	p.blocks, p.left = append(p.blocks, blocks...), p.left-cost(blocks)
}

// cost returns what of maxAll some blocks take.
func cost(blocks []slack.Block) int {
	n := 0
	for _, b := range blocks {
		n += overhead
		for _, t := range texts(b) {
			n += size(t.Text) + overhead/2
		}
	}
	return n
}

// texts returns the texts of a block that this package makes.
func texts(b slack.Block) []*slack.TextBlockObject {
	var all []*slack.TextBlockObject
	switch b := b.(type) {
	case *slack.HeaderBlock:
		all = append(all, b.Text)
	case *slack.SectionBlock:
		if b.Text != nil {
			all = append(all, b.Text)
		}
		all = append(all, b.Fields...)
	case *slack.ContextBlock:
		for _, e := range b.ContextElements.Elements {
			if t, ok := e.(*slack.TextBlockObject); ok {
				all = append(all, t)
			}
		}
	}
	return all
}

func header(subject string, m holdfast.Message) slack.Block {
	look := mark(holdfast.Item{Step: holdfast.News})
	switch {
	case m.Overview != nil && len(m.Overview.Open) > 0:
		look = mark(m.Overview.Open[0])
	case len(m.Items) > 0:
		look = tones[plain.Worst(m.Items)]
	}
	return headerBlock(look, subject)
}

func headerBlock(look, subject string) slack.Block {
	text := cut(look+" "+subject, maxHeader)
	return slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, text, false, false))
}

func section(text string, fields []*slack.TextBlockObject) slack.Block {
	if text == "" {
		return slack.NewSectionBlock(nil, fields, nil)
	}
	return slack.NewSectionBlock(mrkdwn(text), fields, nil)
}

func contextBlock(text string) slack.Block { return slack.NewContextBlock("", mrkdwn(text)) }

// mrkdwn returns marked-up text that Slack takes verbatim: it makes no links and no
// mentions of what looks like them.
func mrkdwn(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, text, false, true)
}
