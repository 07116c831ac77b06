package email

import (
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
)

//go:embed mail.html
var source string

// render returns the HTML of m. Every text of it is escaped by html/template.
func render(m holdfast.Message, loc *time.Location, refused []refusal) (string, error) {
	page, err := template.New("mail").Parse(source)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = page.Execute(&b, newView(m, loc, refused))
	return b.String(), err
}

// view is what the page shows.
type view struct {
	Subject string
	Sample  string // note, "" of what is true
	Title   string // "" where a single card says all
	Facts   []plain.Fact
	List    []row // of many items, all; above the cards
	Cards   []card
	Rest    string // note on those that have no card
	More    string
	Thread  string // note on what it goes on from
	Still   []row
	Others  string // note on those of Still that are left out
	Link    string
	Refused []refusal
	Note    string // over Refused
}

// row is an item in one line.
type row struct{ Tone, Label, Headline string }

// card is an item with its facts.
type card struct {
	row
	Facts []plain.Fact
}

// listFrom is how many items have a list of them above their cards. At most
// maxCards have one: Gmail cuts mails at 102 KB, and with them the link.
const (
	listFrom = 4
	maxCards = 20
)

func newView(m holdfast.Message, loc *time.Location, refused []refusal) view {
	v := view{
		Subject: subject(m), More: plain.MoreNote(m), Thread: plain.ThreadNote(m, loc),
		Link: plain.Link(m), Refused: refused, Note: refusedNote,
	}
	if still, more := plain.Still(m, plain.MaxStill); len(still) > 0 {
		v.Still, v.Others = rows(still, plain.Brief), plain.StillMore(m, more)
	}
	if m.Sample {
		v.Sample = plain.SampleNote
	}
	items := m.Items
	if m.Kind == holdfast.KindDigest && m.Overview != nil {
		v.Title, v.Facts = subject(m), plain.OverviewFacts(m, loc)
		items = slices.Concat(items, m.Overview.Open)
	} else if len(items)+m.More > 1 {
		v.Title = plain.Tally(m)
	}
	if len(items) >= listFrom {
		v.List = rows(items, plain.Headline)
	}
	if rest := len(items) - maxCards; rest > 0 {
		v.Rest = fmt.Sprintf("The last %d of the list are told in full in the plain text of this mail.", rest)
		items = items[:maxCards]
	}
	for i, row := range rows(items, plain.Headline) {
		v.Cards = append(v.Cards, card{row, plain.Facts(m, items[i], loc)})
	}
	return v
}

// rows returns items in a line each, of what headline says.
func rows(items []holdfast.Item, headline func(holdfast.Item) string) []row {
	var all []row
	for _, item := range items {
		tone := map[plain.Tone]string{plain.Bad: "bad", plain.Odd: "odd", plain.Good: "good"}[plain.ToneOf(item)]
		all = append(all, row{tone, plain.Label(item), headline(item)})
	}
	return all
}
