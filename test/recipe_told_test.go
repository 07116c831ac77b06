package test

import (
	"strings"
	"testing"
)

// told is how often people were told something.
type told map[string]int

// tally counts what the mails of a box tell, item by item, however they are put
// together into mails.
func tally(t *testing.T, box *mailbox) told {
	t.Helper()
	all := told{}
	for _, l := range box.letters(t) {
		items := 0
		for _, paragraph := range strings.Split(l.text, "\n\n") {
			head, list, found := strings.Cut(paragraph, "\n  - ")
			if !found {
				if items == 0 { // one alone is not listed
					all[flat(head)]++
				}
				break
			}
			for item := range strings.SplitSeq(list, "\n  - ") {
				all[flat(item)]++
				items++
			}
		}
	}
	return all
}

func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// take removes what is like a pattern and returns how often it was told.
func (all told) take(pattern string) (n int) {
	for text, times := range all {
		if like(text, pattern) {
			n += times
			delete(all, text)
		}
	}
	return n
}
