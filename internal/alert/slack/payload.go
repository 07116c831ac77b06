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
		whole: escape(subject+"\n"+plain.Short(m, loc, maxText/2), maxText),
	}
}

// standing returns the message that began m's thread as it would be told now, and
// its subject.
func standing(m holdfast.Message) (subject string, first holdfast.Message) {
	first = m
	first.ID, first.Items, first.More, first.Thread = m.Thread.ID, m.Thread.Items, 0, nil
	open := slices.DeleteFunc(slices.Clone(first.Items), func(item holdfast.Item) bool { return item.Step == holdfast.Resolved })
	all := len(first.Items)
	if len(open) == 0 || len(open) == all {
		return plain.Subject(first), first
	}
	subject = fmt.Sprintf("[%d of %d resolved] still: %s", all-len(open), all, plain.Headline(open[0]))
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
