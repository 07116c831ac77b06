package survey

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/adopt/pattern"
)

// Proposals returns a rule for each group, in the order in which a configuration
// should have them: of folders in each other the inner one first.
func (s *Survey) Proposals() []Proposal {
	groups := slices.SortedFunc(maps.Keys(s.groups), func(a, b group) int {
		return cmp.Or(-cmp.Compare(depth(a.folder), depth(b.folder)), cmp.Compare(a.folder, b.folder),
			cmp.Compare(a.pattern, b.pattern), cmp.Compare(a.stem, b.stem))
	})
	alone := map[string]int{} // how many groups there are in a folder
	for _, g := range groups {
		alone[g.folder]++
	}
	var all []Proposal
	taken := map[string]bool{}
	for _, g := range groups {
		p := Proposal{Pattern: g.pattern, Below: g.folder}
		// The name of a known pattern stands for all folders below, too. At the top that
		// would be everything.
		if slices.Contains(pattern.Known(), g.pattern) && (g.folder == "" || alone[g.folder] > 1) {
			p.Pattern = s.groups[g].pattern(g.pattern)
		}
		p.Job = jobName(g, taken)
		taken[p.Job] = true
		all = append(all, p)
	}
	return all
}

func depth(folder string) int {
	if folder == "" {
		return 0
	}
	return 1 + strings.Count(folder, "/")
}

// times are the times of the known patterns.
var times = map[string]string{
	pattern.Spatie:   "{year}-{month}-{day}-{hour}-{minute}-{second}",
	pattern.Stamp:    "{year}{month}{day}_{hour}{minute}{second}",
	pattern.DBBackup: "{year}-{month}-{day}-{hour}{minute}{second}",
}

// pattern returns a pattern that matches these names alone.
func (n *names) pattern(known string) string {
	before, after := literal(n.before), ""
	if n.mixed {
		before = "*"
	}
	for i, one := range slices.Sorted(maps.Keys(n.after)) {
		if one = literal(one); i == 0 {
			after = one
		}
		if one != after {
			after = common(after, one) + "*"
		}
	}
	text := before + times[known] + strings.ReplaceAll(after, "**", "*")
	if _, err := pattern.Parse(text); err != nil { // a name full of what a pattern cannot say
		return "*" + times[known] + ".*"
	}
	return text
}

// common returns what both begin with.
func common(a, b string) string {
	a = strings.TrimSuffix(a, "*")
	for !strings.HasPrefix(b, a) {
		a = a[:len(a)-1]
	}
	return a
}

// literal returns a text as a pattern has it. What means something else in a
// pattern, or cannot be read on paper, becomes *.
func literal(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == '{' || r == '}' || r == '\uFFFD' {
			return '*'
		}
		return r
	}, text)
	if holdfast.Printable(text) != text {
		return "*"
	}
	for strings.Contains(text, "**") {
		text = strings.ReplaceAll(text, "**", "*")
	}
	return text
}

// jobName returns a name for the job of a group that none of the taken has.
func jobName(g group, taken map[string]bool) string {
	name, _, _ := strings.Cut(g.stem, ".")
	if name == "" {
		name = path.Base(g.folder)
	}
	name = strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name), "-")
	if name = strings.TrimRight(name[:min(len(name), 50)], "-"); name == "" {
		name = "backups"
	}
	unique := name
	for n := 2; taken[unique]; n++ {
		unique = fmt.Sprintf("%s-%d", name, n)
	}
	return unique
}
