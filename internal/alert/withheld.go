package alert

import (
	"slices"

	"github.com/holdfast-backup/holdfast"
)

// withheld returns a message without the words that hosts, tools and services have
// put into it: a filter on the way that refuses these must not keep people from
// learning that something is wrong.
func withheld(m holdfast.Message) holdfast.Message {
	m.Items = bare(m.Items)
	if m.Thread != nil {
		thread := *m.Thread
		thread.Items = bare(thread.Items)
		m.Thread = &thread
	}
	if m.Overview != nil {
		overview := *m.Overview
		overview.Open = bare(overview.Open)
		m.Overview = &overview
	}
	return m
}

func bare(items []holdfast.Item) []holdfast.Item {
	items = slices.Clone(items)
	for n := range items {
		f := &items[n].Finding
		f.Summary = "the check " + f.Check + " finds something wrong, in words that this channel does not take"
		if items[n].Step == holdfast.News {
			f.Summary = "good news, in words that this channel does not take"
		}
		f.Expected, f.Actual, f.Hint = "", "", "see the status page, or: holdfast monitor"
	}
	return items
}
