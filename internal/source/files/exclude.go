package files

import (
	"fmt"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// rule is one pattern of what to leave out.
type rule struct {
	pattern string
	name    bool // of a name, not of a path
	dirOnly bool
}

func parseRules(patterns []string) ([]rule, error) {
	var rules []rule
	for _, p := range patterns {
		var r rule
		r.pattern, r.dirOnly = strings.CutSuffix(p, "/")
		if r.pattern == "" || !doublestar.ValidatePattern(r.pattern) {
			return nil, fmt.Errorf("files: exclude %q: is no pattern", p)
		}
		switch {
		case !strings.Contains(r.pattern, "/"):
			r.name = true
		case !strings.HasPrefix(r.pattern, "/"):
			r.pattern = "/**/" + r.pattern
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// excluded reports whether a rule leaves out the absolute path p.
func (s *Source) excluded(p string, dir bool) bool {
	for _, r := range s.exclude {
		subject := p
		if r.name {
			subject = path.Base(p)
		}
		if (dir || !r.dirOnly) && doublestar.MatchUnvalidated(r.pattern, subject) {
			return true
		}
	}
	return false
}
