package pattern

import (
	"regexp"
	"slices"
	"strings"
)

// stamped is a day with a time of day behind it or not, in the orders and with the
// separators that people use.
var stamped = regexp.MustCompile(`(\d{4})([-_.]?)(\d{2})([-_.]?)(\d{2})(?:([-_T. ]{0,2})(\d{2})([-_:.h]?)(\d{2})(?:([-_:.m]?)(\d{2}))?)?`)

// Suggest returns a pattern of one's own that matches the path, for somebody to begin
// with; false where its last part bears no time that can be seen.
func Suggest(file string) (string, bool) {
	if strings.ContainsAny(file, "{}*") {
		return "", false
	}
	base := strings.LastIndexByte(file, '/') + 1
	for _, at := range slices.Backward(stamped.FindAllStringSubmatchIndex(file[base:], -1)) {
		name := file[base:]
		text := file[:base] + name[:at[0]]
		for i, f := range []string{"{year}", "{month}", "{day}", "{hour}", "{minute}", "{second}"} {
			// The groups take turns: digits, and what separates them from the next.
			if digits := at[2+4*i : 4+4*i]; digits[0] >= 0 {
				if i > 0 {
					text += name[at[4*i]:at[4*i+1]]
				}
				text += f
			}
		}
		text += name[at[1]:]
		if p, err := Parse(text); err == nil {
			if _, err := p.Match(file); err == nil {
				return text, true
			}
		}
	}
	return "", false
}
