package slack

import (
	"fmt"
	"slices"
	"time"

	"github.com/slack-go/slack"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
)

// payload is what is sent: blocks, and text for notifications and screen readers;
// text alone, and then all of it, where Slack does not take the blocks.
type payload struct {
	text      string
	blocks    []slack.Block
	thread    string // ts of the message that this is a reply to
	broadcast bool   // the reply is shown in the channel too
	update    posted // the message that this takes the place of
	whole     string // text where there are no blocks
}

// maxText is how long a message of text alone gets. Slack cuts at 40,000.
const maxText = 10_000

func newPayload(subject string, m holdfast.Message, loc *time.Location) payload {
	return payload{
		text: escape(subject, maxSection), blocks: blocks(subject, m, loc),
		whole: escape(plain.Unlinked(subject)+"\n"+plain.Short(plain.WithoutLinks(m), loc, maxText/2), maxText),
	}
}

// standing returns the message that began m's thread as it would be told now, and
// its subject.
func standing(m holdfast.Message) (subject string, first holdfast.Message) {
	first = m
	first.ID, first.Items, first.More, first.Thread = m.Thread.ID, m.Thread.Items, m.Thread.More, nil
	open := slices.DeleteFunc(slices.Clone(first.Items), func(item holdfast.Item) bool { return item.Step == holdfast.Resolved })
	all, going := len(first.Items)+first.More, m.Thread.Open
	switch {
	case going == all || going == 0 && first.More == 0:
		return plain.Subject(first), first
	case going == 0:
		subject = fmt.Sprintf("[%d resolved]", all)
	case len(open) == 0:
		subject = fmt.Sprintf("[%d of %d resolved] %d go on", all-going, all, going)
	default:
		subject = fmt.Sprintf("[%d of %d resolved] still: %s", all-going, all, plain.Headline(open[0]))
	}
	if m.Sample {
		subject = "[sample] " + subject
	}
	return subject, first
}

// withoutBlocks returns p as text alone.
func (p payload) withoutBlocks() payload {
	p.text, p.blocks = p.whole, nil
	return p
}
