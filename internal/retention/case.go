package retention

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Case is one worked case: a policy, a moment, backups, and which of them stay.
// Its file is JSON; the numbers in keep are lengths where the form is windows
// (all and daily in days, weekly in weeks, monthly in months, yearly in years)
// and numbers of backups where it is counts.
type Case struct {
	ID      string       `json:"id,omitempty"`
	Policy  CasePolicy   `json:"policy"`
	Now     time.Time    `json:"now"`
	Backups []CaseBackup `json:"backups"`
	Keep    []string     `json:"keep,omitempty"`   // the expected answer, if the case has one
	Delete  []string     `json:"delete,omitempty"` // likewise
	Note    string       `json:"note,omitempty"`
}

// CasePolicy is the policy of a Case.
type CasePolicy struct {
	Form       holdfast.Form  `json:"form"`
	Keep       map[string]int `json:"keep"`
	MinKeep    *int           `json:"min_keep,omitempty"`  // default holdfast.DefaultMinKeep
	TimeZone   string         `json:"time_zone,omitempty"` // default UTC
	MaxTotalMB float64        `json:"max_total_mb,omitempty"`
}

// CaseBackup is a backup of a Case.
type CaseBackup struct {
	Name string    `json:"name"`
	Time time.Time `json:"time"` // to the second, as ids have it
	MB   float64   `json:"mb"`   // stored size in units of 10^6 bytes
	Hold bool      `json:"hold,omitempty"`
}

// CaseResult is the answer to a Case, in the order of its backups.
type CaseResult struct {
	Keep    []string            `json:"keep"`
	Delete  []string            `json:"delete"`
	Reasons map[string][]string `json:"reasons"` // by name
}

// ParseCase reads one case, or a file {"cases": [...]} that has exactly one. An
// unknown key, a missing or impossible value is an error that names it.
func ParseCase(data []byte) (Case, error) {
	cases, err := parseCases(data)
	if err != nil {
		return Case{}, fmt.Errorf("read case: %v", err)
	}
	if len(cases) != 1 {
		return Case{}, fmt.Errorf("read case: the file has %d cases, want exactly one", len(cases))
	}
	return cases[0], nil
}

// parseCases reads a case or a file of cases and checks each.
func parseCases(data []byte) ([]Case, error) {
	var probe struct {
		Cases json.RawMessage `json:"cases"`
	}
	if err := json.Unmarshal(data, &probe); err != nil {
		return nil, err
	}
	var file struct {
		About string `json:"about"`
		Cases []Case `json:"cases"`
	}
	if probe.Cases == nil {
		file.Cases = make([]Case, 1)
		if err := strict(data, &file.Cases[0]); err != nil {
			return nil, err
		}
	} else if err := strict(data, &file); err != nil {
		return nil, err
	}
	for _, c := range file.Cases {
		if _, _, err := c.inputs(); err != nil {
			return nil, err
		}
	}
	return file.Cases, nil
}

// strict refuses keys that into does not have.
func strict(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// Plan answers the case.
func (c Case) Plan() (CaseResult, error) {
	keep, backups, err := c.inputs()
	if err != nil {
		return CaseResult{}, fmt.Errorf("plan case: %v", err)
	}
	decisions := make(map[holdfast.ID]Decision, len(backups))
	for _, d := range Plan(keep, backups, c.Now) {
		decisions[d.ID] = d
	}
	result := CaseResult{Keep: []string{}, Delete: []string{}, Reasons: map[string][]string{}}
	for i, b := range c.Backups {
		d := decisions[backups[i].ID]
		if d.Keep {
			result.Keep = append(result.Keep, b.Name)
		} else {
			result.Delete = append(result.Delete, b.Name)
		}
		result.Reasons[b.Name] = d.Reasons
	}
	return result, nil
}
