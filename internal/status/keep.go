package status

import (
	"fmt"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// keepWords returns the rules of retention as a line for people.
func keepWords(keep holdfast.Keep) string {
	var words []string
	switch keep.Form {
	case holdfast.Windows:
		w := keep.Windows
		for _, window := range []struct {
			length holdfast.Span
			rule   string
		}{{w.All, "all"}, {w.Daily, "daily"}, {w.Weekly, "weekly"}, {w.Monthly, "monthly"}, {w.Yearly, "yearly"}} {
			if !window.length.IsZero() {
				words = append(words, window.length.String()+" "+window.rule)
			}
		}
	case holdfast.Counts:
		c := keep.Counts
		for _, count := range []struct {
			n    int
			rule string
		}{{c.Last, "last"}, {c.Hourly, "hourly"}, {c.Daily, "daily"}, {c.Weekly, "weekly"}, {c.Monthly, "monthly"}, {c.Yearly, "yearly"}} {
			if count.n > 0 {
				words = append(words, fmt.Sprintf("%d %s", count.n, count.rule))
			}
		}
	default:
		words = append(words, "everything")
	}
	text := strings.Join(words, ", ")
	if keep.MaxTotal > 0 {
		text += "; at most " + keep.MaxTotal.String()
	}
	if keep.Form != holdfast.KeepAll || keep.MaxTotal > 0 {
		text += fmt.Sprintf("; always the newest %d", max(keep.MinKeep, 1))
	}
	return strings.TrimPrefix(text, "; ")
}
