package retention

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// inputs returns what Plan takes, or what is wrong with the case.
func (c Case) inputs() (holdfast.Keep, []holdfast.Backup, error) {
	keep, err := c.Policy.keep()
	if err != nil {
		return keep, nil, err
	}
	if c.Now.IsZero() {
		return keep, nil, errors.New("now: missing")
	}
	names := make(map[string]bool, len(c.Backups))
	backups := make([]holdfast.Backup, len(c.Backups))
	for i, b := range c.Backups {
		if b.Name == "" || names[b.Name] {
			return keep, nil, fmt.Errorf("backups[%d]: name %q: empty or used twice", i, b.Name)
		}
		names[b.Name] = true
		if backups[i], err = b.backup(i); err != nil {
			return keep, nil, fmt.Errorf("backup %q: %v", b.Name, err)
		}
	}
	return keep, backups, nil
}

// backup makes the backup that b stands for, the n-th of its case. Of two at the
// same second the one named first counts as the newer.
func (b CaseBackup) backup(n int) (holdfast.Backup, error) {
	t := b.Time.UTC()
	if b.Time.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return holdfast.Backup{}, errors.New("time: missing or impossible")
	}
	size, err := bytesOf(b.MB)
	if err != nil {
		return holdfast.Backup{}, fmt.Errorf("mb: %v", err)
	}
	id, err := holdfast.NewID(t, strings.NewReader(string([]byte{
		^byte(n >> 24), ^byte(n >> 16), ^byte(n >> 8), ^byte(n),
	})))
	if err != nil {
		return holdfast.Backup{}, err
	}
	// No good backup is empty: what a case calls 0 MB has one byte.
	return exampleBackup(id, max(size, 1), b.Hold), nil
}

// exampleBackup returns a committed backup that occupies size bytes in all.
func exampleBackup(id holdfast.ID, size int64, held bool) holdfast.Backup {
	ref := holdfast.Ref{Host: "example", Job: "example", ID: id}
	return holdfast.Backup{
		Ref: ref, Committed: true, Held: held,
		Manifest: holdfast.Object{Key: ref.ManifestKey()},
		Data:     []holdfast.Object{{Key: ref.Key("example.age"), Size: size}},
	}
}

// keep returns the policy as configuration would have made it.
func (p CasePolicy) keep() (holdfast.Keep, error) {
	keep := holdfast.Keep{Form: p.Form, MinKeep: holdfast.DefaultMinKeep}
	if p.MinKeep != nil {
		keep.MinKeep = *p.MinKeep
	}
	if keep.MinKeep < 1 {
		return keep, fmt.Errorf("policy.min_keep: %d, want at least 1", keep.MinKeep)
	}
	var err error
	if keep.Location, err = time.LoadLocation(p.TimeZone); err != nil || p.TimeZone == "Local" {
		return keep, fmt.Errorf("policy.time_zone: unknown zone %q", p.TimeZone)
	}
	size, err := bytesOf(p.MaxTotalMB)
	if err != nil {
		return keep, fmt.Errorf("policy.max_total_mb: %v", err)
	}
	keep.MaxTotal = holdfast.Size(size)
	w, c := &keep.Windows, &keep.Counts
	switch p.Form {
	case holdfast.Windows:
		return keep, fill(p.Keep, []slot{
			{"all", setSpan(&w.All, holdfast.Day)}, {"daily", setSpan(&w.Daily, holdfast.Day)},
			{"weekly", setSpan(&w.Weekly, holdfast.Week)}, {"monthly", setSpan(&w.Monthly, holdfast.Month)},
			{"yearly", setSpan(&w.Yearly, holdfast.Year)},
		})
	case holdfast.Counts:
		return keep, fill(p.Keep, []slot{
			{"last", setCount(&c.Last)}, {"hourly", setCount(&c.Hourly)}, {"daily", setCount(&c.Daily)},
			{"weekly", setCount(&c.Weekly)}, {"monthly", setCount(&c.Monthly)}, {"yearly", setCount(&c.Yearly)},
		})
	}
	return keep, fmt.Errorf("policy.form: unknown form %q, want windows or counts", p.Form)
}

// slot is one key that policy.keep may have in a form, and where its number goes.
type slot struct {
	name string
	set  func(int)
}

func setSpan(to *holdfast.Span, unit holdfast.Unit) func(int) {
	return func(n int) { *to = holdfast.Span{N: n, Unit: unit} }
}

func setCount(to *int) func(int) { return func(n int) { *to = n } }

func fill(values map[string]int, slots []slot) error {
	var names []string
	for _, s := range slots {
		names = append(names, s.name)
		s.set(values[s.name])
	}
	for name, n := range values {
		if !slices.Contains(names, name) {
			return fmt.Errorf("policy.keep: unknown rule %q, want %s", name, strings.Join(names, ", "))
		}
		if n < 0 || n > maxNumber {
			return fmt.Errorf("policy.keep.%s: %d, want 0 to %d", name, n, maxNumber)
		}
	}
	return nil
}

const maxNumber = 100_000 // of a rule; keeps calendars far from overflow

// bytesOf returns a number of megabytes in bytes.
func bytesOf(mb float64) (int64, error) {
	if mb < 0 || mb > 1e12 || math.IsNaN(mb) {
		return 0, fmt.Errorf("%v, want 0 to 1e12", mb)
	}
	return int64(math.Round(mb * 1e6)), nil
}
