package retention

import (
	"strconv"

	"github.com/holdfast-backup/holdfast"
)

// windows applies chained lengths of time. Each window begins where the finer
// one ends; it holds its newer bound and not its older one, so that "all: 7d"
// with a backup every 24 hours keeps seven of them and not eight. The newest
// backup of each period stays; a period that a bound cuts in two has one in
// each window.
func (p *plan) windows() {
	w := p.keep.Windows
	end, i := p.now, 0
	for _, window := range []struct {
		rule   string
		length holdfast.Span
		unit   holdfast.Unit
	}{
		{"all", w.All, ""},
		{"daily", w.Daily, holdfast.Day},
		{"weekly", w.Weekly, holdfast.Week},
		{"monthly", w.Monthly, holdfast.Month},
		{"yearly", w.Yearly, holdfast.Year},
	} {
		if window.length.IsZero() {
			continue
		}
		end = window.length.Before(end)
		rule := window.rule
		if window.unit == "" {
			rule += " " + window.length.String()
		}
		var last period
		for ; i < len(p.entries) && p.entries[i].time.After(end); i++ {
			in := periodOf(window.unit, p.entries[i].time)
			if window.unit == "" || in != last {
				p.stay(i, rule, in)
			}
			last = in
		}
	}
}

// counts applies numbers of backups, each rule for itself: the newest backup of
// each of the last n periods that have one. A rule that is not filled also keeps
// the oldest backup, so that the history grows until it is.
func (p *plan) counts() {
	c := p.keep.Counts
	oldest := len(p.entries) - 1
	for _, rule := range []struct {
		name string
		n    int
		unit holdfast.Unit
	}{
		{"last", c.Last, ""},
		{"hourly", c.Hourly, holdfast.Hour},
		{"daily", c.Daily, holdfast.Day},
		{"weekly", c.Weekly, holdfast.Week},
		{"monthly", c.Monthly, holdfast.Month},
		{"yearly", c.Yearly, holdfast.Year},
	} {
		name := rule.name
		if rule.unit == "" {
			name += " " + strconv.Itoa(rule.n)
		}
		left, filled := rule.n, -1 // filled: the last entry that took a slot
		var last period
		for i := 0; i <= oldest && left > 0; i++ {
			in := periodOf(rule.unit, p.entries[i].time)
			if rule.unit == "" || in != last {
				p.stay(i, name, in)
				left, filled = left-1, i
			}
			last = in
		}
		if left > 0 && filled < oldest {
			p.stay(oldest, "oldest, "+name+" not filled", period{})
		}
	}
}
