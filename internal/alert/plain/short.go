package plain

import (
	"time"

	"github.com/holdfast-backup/holdfast"
)

// shape is how much of a message is said.
type shape struct {
	named int // items that are named in a list, where there is one
	told  int // items that are told with their facts
	value int // characters of each of these, at most
	still int // items of the thread that are named
}

// whole is the shape of a message that is not shortened.
func whole(m holdfast.Message) shape {
	n := len(items(m))
	return shape{named: n, told: n, value: maxLine, still: MaxStill}
}

// maxLine is more than any line of foreign text has.
const maxLine = 1 << 20

// squeezes are how texts are shortened, ever more.
var squeezes = [...]shape{{value: 300, still: MaxStill}, {value: 300, still: 3}, {value: 100, still: 3}, {value: 100}, {value: 40}}

// minCopy is how many characters of what is to be copied are left, at least.
const minCopy = 200

// minBody is how many bytes must be left beside the link for it to be there.
const minBody = 100

// Short is Text within limit bytes. The link comes first, then that as many items
// as possible are named, in a line each, then what else is known of them, from the
// first on. The link is left out only where it leaves no room, and never cut.
func Short(m holdfast.Message, loc *time.Location, limit int) string {
	if all := Text(m, loc); len(all) <= limit {
		return all
	}
	end := ending(m)
	if len(end)+minBody > limit {
		end = ""
	}
	room := limit - len(end)
	fits := func(s shape) bool { return len(render(m, s, loc)) <= room }
	n, s := len(items(m)), shape{}
	for _, s = range squeezes {
		if s.named = n; !listed(m, s) {
			s.told = n // a single one
		}
		if fits(s) {
			break
		}
	}
	for s.named > 1 && !fits(s) {
		s.named--
	}
	for s.told < s.named {
		next := s
		if next.told++; !fits(next) {
			break
		}
		s = next
	}
	return cutBytes(render(m, s, loc), room) + end
}
