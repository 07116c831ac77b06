package pattern

import "strings"

// Rule is a pattern for the paths below one folder.
type Rule struct {
	Pattern
	Below string // the folder that the pattern's paths begin at; "" for the top
}

// ParseRule returns the rule of a pattern's text and a folder.
func ParseRule(text, below string) (Rule, error) {
	p, err := Parse(text)
	return Rule{p, below}, err
}

// Match is Pattern.Match for a whole path.
func (r Rule) Match(file string) (Reading, error) {
	if r.Below != "" {
		var ok bool
		if file, ok = strings.CutPrefix(file, r.Below+"/"); !ok {
			return Reading{}, ErrNoMatch
		}
	}
	return r.Pattern.Match(file)
}

// Prefix is Pattern.Prefix for whole paths.
func (r Rule) Prefix() string {
	if r.Below == "" {
		return r.Pattern.Prefix()
	}
	return r.Below + "/" + r.Pattern.Prefix()
}
