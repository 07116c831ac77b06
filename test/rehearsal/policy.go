package rehearsal

import (
	"encoding/json"
	"regexp"
	"strings"
)

// allows tells whether some statement allows it and none denies it. keys are what
// conditions can be about; a statement with any other condition allows nothing.
func allows(documents []string, action, resource string, keys map[string]string) bool {
	allowed := false
	for _, document := range documents {
		for _, s := range statements(document) {
			if !s.covers(action, resource) {
				continue
			}
			if s.Effect == "Deny" {
				return false
			}
			allowed = allowed || s.holds(keys)
		}
	}
	return allowed
}

// statement is one of a policy. In a document a single string may stand for a list.
type statement struct {
	Effect    string
	Action    list
	Resource  list
	Condition map[string]map[string]list
}

type list []string

func (l *list) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

func statements(document string) []statement {
	var policy struct{ Statement []statement }
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		return []statement{{Effect: "Deny", Action: list{"*"}, Resource: list{"*"}}} // unreadable: allow nothing
	}
	return policy.Statement
}

func (s statement) covers(action, resource string) bool {
	return s.Action.matches(action) && s.Resource.matches(resource)
}

// holds tells whether the condition is met.
func (s statement) holds(keys map[string]string) bool {
	for operator, conditions := range s.Condition {
		for key, values := range conditions {
			given, known := keys[key]
			met := false
			for _, value := range values {
				met = met || operator == "StringEqualsIgnoreCase" && known && strings.EqualFold(value, given)
			}
			if !met {
				return false
			}
		}
	}
	return true
}

func (l list) matches(value string) bool {
	for _, pattern := range l {
		pattern = strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
		if regexp.MustCompile("^" + pattern + "$").MatchString(value) {
			return true
		}
	}
	return false
}

// aboutS3 returns the documents without what cannot concern S3; what is left of
// them stands there word for word.
func aboutS3(documents []string) ([]string, error) {
	var all []string
	for _, document := range documents {
		var policy struct {
			Version   string
			Statement []json.RawMessage
		}
		if err := json.Unmarshal([]byte(document), &policy); err != nil {
			return nil, err
		}
		var kept []json.RawMessage
		for _, raw := range policy.Statement {
			var s struct{ Action list }
			if err := json.Unmarshal(raw, &s); err != nil {
				return nil, err
			}
			if s.Action == nil || s.Action.concernS3() {
				kept = append(kept, raw)
			}
		}
		if policy.Statement = kept; len(kept) == 0 {
			continue
		}
		text, err := json.Marshal(policy)
		if err != nil {
			return nil, err
		}
		all = append(all, string(text))
	}
	return all, nil
}

func (l list) concernS3() bool {
	for _, action := range l {
		if service, _, named := strings.Cut(action, ":"); !named || service == "s3" || strings.ContainsAny(service, "*?") {
			return true
		}
	}
	return false
}
