package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A server that is back after a weekend does not send two hundred messages.
func TestManyJobsThatChangeAtOnceAreOneMessage(t *testing.T) {
	t.Parallel()
	const jobs = 30
	w := newWatchedSite(t, "  app00: {}\n")
	w.more = strings.Replace(w.more, "monitor: 1s", "monitor: 1h", 1) // at its start, and when backups arrive
	path, sources := w.customers("app", 10), ""
	var names, stale, over []string
	for n := range jobs {
		name := fmt.Sprintf("app%02d", n)
		names, sources = append(names, name), sources+dumps(name, path)
		stale, over = append(stale, "opened web1/"+name+" fresh"), append(over, "resolved web1/"+name+" fresh")
	}
	h := w.addHost("web1", names, sources)
	w.begin()
	w.push(h)
	if code := w.stop(); code != 0 {
		t.Fatalf("the server ended with %d", code)
	}
	w.forward(50 * time.Hour)
	w.begin()
	w.tells("[30 changes] web1/app00: the newest good backup is 50h old; and 29 more")
	if got := w.people.pager.items(t); !slices.Equal(got, stale) {
		t.Errorf("the message says %q, want %q", got, stale)
	}

	w.push(h)
	ended := func() []string {
		all := w.people.pager.items(t)[jobs:]
		slices.Sort(all)
		return all
	}
	waitFor(t, "the end of all", func() bool { return len(ended()) >= jobs })
	if got := ended(); !slices.Equal(got, over) {
		t.Errorf("of their ends it says %q, want %q", got, over)
	}
	// As many as rounds in which backups arrived, two seconds apart.
	if n := len(w.people.pager.messages(t)); n > 10 {
		t.Errorf("%d messages tell of the end of %d jobs", n-1, jobs)
	}
}
