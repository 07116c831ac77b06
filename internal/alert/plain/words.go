package plain

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-backup/holdfast"
)

// SampleNote is what a sample says of itself.
const SampleNote = "This is a sample. Nothing of it is true: it shows what you would be told."

// FlappingNote is what is said of an item that is flapping.
const FlappingNote = "It comes and goes, and counts as over only after it has been quiet for a while."

// Label says in one or two words what has become of an item: "critical",
// "now critical", "reminder", "resolved", "still warning", "ok".
func Label(item holdfast.Item) string {
	severity := line(string(item.Finding.Severity))
	switch item.Step {
	case holdfast.Worsened:
		return "now " + severity
	case holdfast.Reminder, holdfast.Resolved:
		return string(item.Step)
	case holdfast.Ongoing:
		return "still " + severity
	case holdfast.News:
		return "ok"
	}
	return severity
}

// Tone is how an item should look.
type Tone int

// Tones, the worst first.
const (
	Bad  Tone = iota // something critical goes on
	Odd              // a warning goes on
	Good             // it is over, or good news
)

// ToneOf returns the tone of an item.
func ToneOf(item holdfast.Item) Tone {
	switch {
	case item.Step == holdfast.Resolved || item.Step == holdfast.News:
		return Good
	case item.Finding.Severity == holdfast.Warning:
		return Odd
	}
	return Bad
}

// Worst returns the worst tone of some items, Good of none.
func Worst(items []holdfast.Item) Tone {
	worst := Good
	for _, item := range items {
		worst = min(worst, ToneOf(item))
	}
	return worst
}

// Headline says what is wrong, and with what, in one line: "web1/crm: the newest
// good backup is 31h old".
func Headline(item holdfast.Item) string {
	return line(item.Finding.Subject()) + ": " + wrong(item)
}

// wrong says what is wrong.
func wrong(item holdfast.Item) string {
	if what := line(item.Finding.Summary); what != "" {
		return what
	}
	return line(item.Finding.Check)
}

// Lengths of a Brief, in characters.
const (
	maxBrief = 100
	maxName  = 2*63 + 1 // of a host and a job
	minWrong = 40
)

// Brief is Headline in about 100 characters, for lists: what it is about stands
// there in full, and what is wrong is cut.
func Brief(item holdfast.Item) string {
	name := Cut(line(item.Finding.Subject()), maxName)
	return name + ": " + Cut(wrong(item), max(maxBrief-utf8.RuneCountInString(name), minWrong))
}

// Tally counts what a message says: "4 changes: 2 critical, 1 warning, 1 resolved".
// Of a message that leaves items out only their number is told.
func Tally(m holdfast.Message) string {
	total := changes(m)
	counts, order := map[string]int{}, []string{}
	for _, item := range m.Items {
		label := Label(item)
		if counts[label] == 0 {
			order = append(order, label)
		}
		counts[label]++
	}
	if m.More > 0 || len(order) < 2 {
		return total
	}
	for i, label := range order {
		if order[i] = fmt.Sprintf("%d %s", counts[label], label); counts[label] > 1 && plural(label) {
			order[i] += "s"
		}
	}
	return total + ": " + strings.Join(order, ", ")
}

func plural(label string) bool {
	return strings.HasSuffix(label, string(holdfast.Warning)) || strings.HasSuffix(label, string(holdfast.Reminder))
}

// changes counts the items of m by what has become of them, where that is the
// same of all.
func changes(m holdfast.Message) string {
	n := len(m.Items) + m.More
	for _, item := range m.Items {
		if m.More > 0 || item.Step != m.Items[0].Step {
			return number(n, "change")
		}
	}
	switch m.Items[0].Step {
	case holdfast.Reminder:
		return number(n, "reminder")
	case holdfast.Resolved:
		return fmt.Sprintf("%d resolved", n)
	case holdfast.Ongoing:
		return fmt.Sprintf("%d going on", n)
	case holdfast.News:
		return fmt.Sprintf("%d ok", n)
	}
	return number(n, "change")
}

// MoreNote says how many items a message leaves out, "" if none.
func MoreNote(m holdfast.Message) string {
	switch {
	case m.More == 0:
		return ""
	case m.Link == "":
		return fmt.Sprintf("and %d more, not named here.", m.More)
	}
	return fmt.Sprintf("and %d more, which the status page shows.", m.More)
}

// line makes one printable line of a text of foreign origin.
func line(text string) string {
	return holdfast.Printable(strings.Join(strings.Fields(text), " "))
}

// number returns "1 job", "2 jobs".
func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
