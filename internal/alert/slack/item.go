package slack

import (
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
)

// tones are what catches the eye. The same is always said in a word beside it.
var tones = map[plain.Tone]string{plain.Bad: "🔴", plain.Odd: "🟡", plain.Good: "✅"}

func mark(item holdfast.Item) string { return tones[plain.ToneOf(item)] }

// title says what is wrong, struck out where it is over.
func title(item holdfast.Item) string {
	headline := plain.Headline(item)
	label := mark(item) + " *" + escape(strings.ToUpper(plain.Label(item)), 100) + "*"
	if item.Step != holdfast.Resolved {
		return label + "  " + escape(headline, maxHeadline)
	}
	if since := item.Finding.Since; !since.IsZero() {
		label += " after " + plain.Age(item.At.Sub(since))
	}
	return label + "  " + struck(headline, maxHeadline)
}

// details returns all that is known of an item: its title, its facts in two
// columns, and what to do next.
func details(m holdfast.Message, item holdfast.Item, loc *time.Location) []slack.Block {
	var blocks []slack.Block
	facts := plain.Facts(m, item, loc)
	next := ""
	if n := len(facts) - 1; n >= 0 && facts[n].Name == plain.NextFact {
		next, facts = facts[n].Value, facts[:n]
	}
	text, all := title(item), fields(facts)
	for len(all) > maxFields {
		blocks = append(blocks, section(text, all[:maxFields]))
		text, all = "", all[maxFields:]
	}
	if text != "" || len(all) > 0 {
		blocks = append(blocks, section(text, all))
	}
	if next != "" {
		blocks = append(blocks, section("*"+plain.NextFact+"*\n"+code(next, maxHeadline), nil))
	}
	return blocks
}

// told are the facts that a summary has: the others are on the status page.
var told = []string{"Vault", "Since", "Lasted", "Over since", "Last good backup", "Size", "Expected", "Note"}

// summary returns what matters most of an item in one block.
func summary(m holdfast.Message, item holdfast.Item, loc *time.Location) slack.Block {
	text, next := title(item), ""
	var facts []string
	for _, f := range plain.Facts(m, item, loc) {
		switch {
		case f.Name == plain.NextFact:
			next = "\n" + code(f.Value, maxValue/2)
		case slices.Contains(told, f.Name):
			facts = append(facts, f.Name+": "+escape(f.Value, maxValue/2))
		}
	}
	if len(facts) > 0 {
		text += "\n" + strings.Join(facts, " · ")
	}
	return section(text+next, nil)
}

// fields returns facts as fields, with their names in bold.
func fields(facts []plain.Fact) []*slack.TextBlockObject {
	var all []*slack.TextBlockObject
	for _, f := range facts {
		value := escape(f.Value, maxValue)
		if f.Copy {
			value = code(f.Value, maxValue)
		}
		all = append(all, mrkdwn("*"+f.Name+"*\n"+value))
	}
	return all
}
