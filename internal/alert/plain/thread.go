package plain

import (
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// MaxStill is how many items of a thread that go on are named.
const MaxStill = 10

// Still returns what m's thread was also about, is not over, and does not stand
// among m's items: at most so many of them, and the number of the rest.
func Still(m holdfast.Message, most int) (still []holdfast.Item, more int) {
	if m.Thread == nil {
		return nil, 0
	}
	told, in := map[[3]string]bool{}, map[[3]string]bool{}
	for _, item := range m.Items {
		told[key(item)] = true
	}
	// Of those that the thread leaves out only the number is known.
	more = m.Thread.Open
	for _, item := range m.Thread.Items {
		in[key(item)] = true
		if item.Step == holdfast.Resolved {
			continue
		}
		more--
		if !told[key(item)] {
			still = append(still, item)
		}
	}
	for _, item := range m.Items {
		if item.Step != holdfast.Resolved && !in[key(item)] {
			more--
		}
	}
	// What is over comes last, so that after it nothing else is left out.
	if n := len(m.Items); n > 0 && m.Items[n-1].Step != holdfast.Resolved {
		more -= m.More
	}
	more = max(more, 0)
	if n := len(still); n > most {
		still, more = still[:most], more+n-most
	}
	return still, more
}

func key(item holdfast.Item) [3]string {
	return [3]string{item.Finding.Host, item.Finding.Job, item.Finding.Check}
}

// StillMore says how many go on beside those that Still names, "" if none.
func StillMore(m holdfast.Message, more int) string {
	m.More = more
	return MoreNote(m)
}

// ThreadNote says what m goes on from, "" where it begins a thread.
func ThreadNote(m holdfast.Message, loc *time.Location) string { return threadNote(m, loc, MaxStill) }

// threadNote is ThreadNote where most of what goes on are named below it.
func threadNote(m holdfast.Message, loc *time.Location, most int) string {
	if m.Thread == nil {
		return ""
	}
	told, all := "what was told on "+When(m.Thread.At, loc), len(m.Thread.Items)+m.Thread.More
	still, more := Still(m, most)
	open := fmt.Sprintf("Of %s, %d of %d go on", told, m.Thread.Open, all)
	switch {
	case len(still) > 0 && more > 0:
		return open + ", these too:"
	case len(still) > 0:
		return "Of " + told + ", this goes on too:"
	case more > 0:
		return open + "."
	case m.Thread.Over() && all > 1:
		return "With that, all of " + told + " is over."
	case m.Thread.Over():
		return "This ends " + told + "."
	}
	return "This goes on from " + told + "."
}
