package plain

import (
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Fact is a detail with its name.
type Fact struct {
	Name  string // "Last good backup"
	Value string // one line, never empty
	// Copy says that Value is, or holds, something to be copied: it should
	// neither be wrapped nor set in a proportional face.
	Copy bool
}

// Facts returns what there is to say of one item of m beside its headline, times
// in loc. The command to run next is the last, with the name NextFact.
func Facts(m holdfast.Message, item holdfast.Item, loc *time.Location) []Fact {
	f, over := item.Finding, item.Step == holdfast.Resolved
	var facts list
	facts.add("Host", f.Host)
	facts.add("Job", f.Job)
	facts.add("Vault", m.Vault)
	if item.Step != holdfast.News {
		severity := string(f.Severity)
		if over {
			severity = "was " + severity
		}
		facts.add("Severity", severity)
		facts.add("Check", f.Check)
		facts.add(lasting(m, item, loc))
	}
	facts.backups(m, item, loc)
	if over {
		facts.add("It was", f.Actual)
	} else {
		facts.add("Expected", f.Expected)
		facts.add("Actual", f.Actual)
	}
	if item.Flapping {
		facts.add("Note", FlappingNote)
	}
	if !over && f.Hint != "" {
		facts = append(facts, Fact{Name: NextFact, Value: line(f.Hint), Copy: true})
	}
	return facts
}

// NextFact is the name of the fact that says what to do next.
const NextFact = "Next"

// lasting says since when something has been wrong, or from when to when it was.
func lasting(m holdfast.Message, item holdfast.Item, loc *time.Location) (name, value string) {
	since := item.Finding.Since
	switch {
	case item.Step == holdfast.Resolved && since.IsZero():
		return "Over since", When(item.At, loc)
	case item.Step == holdfast.Resolved:
		return "Lasted", fmt.Sprintf("%s, from %s to %s", Age(item.At.Sub(since)), When(since, loc), When(item.At, loc))
	case since.IsZero():
		return "Since", ""
	}
	return "Since", ago(since, m.At, loc, "%s (for %s)")
}

// list is facts in the making.
type list []Fact

// add adds a fact, unless there is nothing to say.
func (l *list) add(name, value string) {
	if value = line(value); value != "" {
		*l = append(*l, Fact{Name: name, Value: value})
	}
}

// backups says how the job's newest good backup is, and which one an item is about.
func (l *list) backups(m holdfast.Message, item holdfast.Item, loc *time.Location) {
	f, last := item.Finding, item.Last
	switch {
	case last != nil && last.ID.Time().IsZero():
		l.add("Last good backup", string(last.ID))
	case last != nil:
		l.add("Last good backup", ago(last.ID.Time(), m.At, loc, "%s (%s ago)"))
	case f.Job != "" && item.Step != holdfast.News:
		l.add("Last good backup", "none that is known of")
	}
	if last != nil {
		l.add("Size", Weight(*last))
	}
	id := f.Backup
	if id == "" && last != nil {
		id = last.ID
	}
	if id != "" && item.Step != holdfast.Resolved { // what it was about is no matter any more
		*l = append(*l, Fact{Name: "Backup", Value: line(string(id)), Copy: true})
	}
}

// Weight says how large a backup is against the usual one: "2.1MB, usually 40MB
// (0.05 of it)".
func Weight(last holdfast.LastBackup) string {
	if last.Usual <= 0 {
		return holdfast.Size(last.Size).String()
	}
	ratio := float64(last.Size) / float64(last.Usual)
	against := fmt.Sprintf("%.2f of it", ratio)
	switch {
	case ratio > 0 && ratio < 0.005:
		against = "less than 0.01 of it"
	case ratio >= 2:
		against = fmt.Sprintf("%.1f times that", ratio)
	}
	return fmt.Sprintf("%s, usually %s (%s)", holdfast.Size(last.Size), holdfast.Size(last.Usual), against)
}

// OverviewFacts returns what a digest says of the whole, times in loc.
func OverviewFacts(m holdfast.Message, loc *time.Location) []Fact {
	o := *m.Overview
	var facts list
	facts.add("Vault", m.Vault)
	jobs := fmt.Sprintf("%d: %d healthy", o.Jobs, o.OK)
	for _, some := range []struct {
		n    int
		name string
	}{{o.Critical, "critical"}, {o.Warning, "with warnings"}, {o.Silenced, "silenced"}} {
		if some.n > 0 {
			jobs += fmt.Sprintf(", %d %s", some.n, some.name)
		}
	}
	facts.add("Jobs", jobs)
	facts.add("Arrived", number(o.Backups, "good backup"))
	stored := holdfast.Size(o.Stored).String()
	switch {
	case o.Grown > 0:
		stored += ", " + holdfast.Size(o.Grown).String() + " more than before"
	case o.Grown < 0:
		stored += ", " + holdfast.Size(-o.Grown).String() + " less than before"
	}
	facts.add("Stored", stored)
	facts.add("Time", fmt.Sprintf("from %s to %s", When(o.From, loc), When(m.At, loc)))
	return facts
}
