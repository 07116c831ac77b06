package retention

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Decision says what becomes of one backup, and why.
type Decision struct {
	holdfast.Ref
	Time     time.Time `json:"time"`      // when the broker admitted it, UTC
	Size     int64     `json:"size"`      // what it occupies in the vault, bytes
	DataSize int64     `json:"data_size"` // of that its own data objects, bytes
	Good     bool      `json:"good"`      // holdfast.Backup.Good at the time of the plan
	Keep     bool      `json:"keep"`
	Reasons  []string  `json:"reasons"` // never empty
	// Adopted is set for a backup that something else has made.
	Adopted *holdfast.Adopted `json:"adopted,omitempty"`
	// What Brake judges by: its manifest and own data objects, whether it is max_total
	// that gives the backup up, not the rules, and whether the host itself has named it.
	Manifest  holdfast.Object   `json:"-"`
	Data      []holdfast.Object `json:"-"`
	OverTotal bool              `json:"-"`
	HostNamed bool              `json:"-"`
}

// ownSize returns what the backup occupies without what others added to it, in bytes.
func (d Decision) ownSize() int64 { return d.Manifest.Size + d.DataSize }

// Watched reports whether the backup may only be watched: it was adopted, and
// nobody said that retention may delete it. The plan is the same; Apply leaves it.
func (d Decision) Watched() bool { return d.Adopted != nil && !d.Adopted.Delete }

// Plan decides about the backups of one job of one host, newest first. It is
// pure: the same backups in any order, the same policy and the same now give
// the same decisions.
//
// Only good backups are judged by the rules. Those that are not committed,
// future-dated or have lost data take no slot, do not count towards the cap and
// stay: the sweep sees to the first, a person to the others. A held backup
// stays and is otherwise judged like any other, so it uses the slot of its
// period and counts towards the cap.
//
// The newest keep.MinKeep good backups stay whatever rules and cap say. What somebody
// added to a backup (holdfast.Backup.Own) goes when it goes, and takes no room under
// the cap.
//
// A plan made while another run applies its own deletes nothing that the other
// keeps, so runs at the same time are harmless.
func Plan(keep holdfast.Keep, backups []holdfast.Backup, now time.Time) []Decision {
	backups = newestFirst(backups)
	decisions := make([]Decision, len(backups))
	p := newPlan(keep, now, true)
	judged := make([]int, 0, len(backups)) // the decision of each of p.entries
	for i, b := range backups {
		t := b.Time()
		decisions[i] = Decision{
			Ref: b.Ref, Time: t, Size: b.Size(), DataSize: sizeOf(b.Own()),
			Good: b.Good(now), Keep: true, Manifest: b.Manifest, Data: b.Own(), Adopted: b.Adopted(),
		}
		if !decisions[i].Good {
			decisions[i].Reasons = unjudged(b, now)
			continue
		}
		judged = append(judged, i)
		p.entries = append(p.entries, entry{time: t.In(p.now.Location()), size: decisions[i].ownSize(), held: b.Held})
	}
	p.decide()
	for n, i := range judged {
		e := p.entries[n]
		decisions[i].Keep, decisions[i].OverTotal = e.keep, e.over
		decisions[i].Reasons = e.texts()
	}
	return decisions
}

func sizeOf(objects []holdfast.Object) (size int64) {
	for _, o := range objects {
		size += o.Size
	}
	return size
}

// newestFirst returns the backups in that order. Those of one second are told
// apart by their ids, so that the order they come in is of no account.
func newestFirst(backups []holdfast.Backup) []holdfast.Backup {
	order := func(a, b holdfast.Backup) int { return compareIDs(b.ID, a.ID) }
	if slices.IsSortedFunc(backups, order) {
		return backups
	}
	backups = slices.Clone(backups)
	slices.SortFunc(backups, order)
	return backups
}

// compareIDs orders ids by time, for they begin with it.
func compareIDs(a, b holdfast.ID) int { return cmp.Compare(a, b) }

// unjudged says why a backup that is not good stays.
func unjudged(b holdfast.Backup, now time.Time) []string {
	var reasons []string
	if b.Held {
		reasons = append(reasons, "held")
	}
	switch {
	case !b.Committed:
		return append(reasons, "not committed")
	case b.Future(now):
		return append(reasons, "future-dated")
	}
	return append(reasons, "data missing or empty")
}

// plan is the work on one job: its good backups, newest first.
type plan struct {
	keep    holdfast.Keep
	now     time.Time // in the policy's zone
	explain bool      // whether somebody wants to know why
	entries []entry
}

// entry is a good backup with what the rules ask of it.
type entry struct {
	time time.Time // in the policy's zone
	size int64     // bytes
	held bool
	keep bool
	over bool // the rules keep it and max_total does not
	why  []why
}

// why is one reason; its text is made only for those who ask.
type why struct {
	rule   string
	period period // zero where the rule has none
}

func newPlan(keep holdfast.Keep, now time.Time, explain bool) *plan {
	keep.MinKeep = max(keep.MinKeep, 1)
	if keep.Location == nil {
		keep.Location = time.UTC
	}
	return &plan{keep: keep, now: now.In(keep.Location), explain: explain}
}

// decide sets keep, and why if asked, of every entry.
func (p *plan) decide() {
	for i, e := range p.entries {
		if e.held {
			p.stay(i, "held", period{})
		}
	}
	switch p.keep.Form {
	case holdfast.Windows:
		p.windows()
	case holdfast.Counts:
		p.counts()
	default: // also a form this code does not know: it must not delete
		for i := range p.entries {
			p.stay(i, "everything is kept", period{})
		}
	}
	floor := fmt.Sprintf("newest %d good backups stay", p.keep.MinKeep)
	for i := range min(p.keep.MinKeep, len(p.entries)) {
		p.stay(i, floor, period{})
	}
	p.cap()
}

// stay keeps an entry for a reason.
func (p *plan) stay(i int, rule string, in period) {
	e := &p.entries[i]
	e.keep = true
	if p.explain {
		e.why = append(e.why, why{rule, in})
	}
}

// cap gives up the oldest of what the rules keep until the rest fits, but none
// that is held and none of the newest MinKeep.
func (p *plan) cap() {
	limit := int64(p.keep.MaxTotal)
	if limit <= 0 {
		return
	}
	var total int64
	for _, e := range p.entries {
		if e.keep {
			total += e.size
		}
	}
	over := why{rule: "over max_total " + p.keep.MaxTotal.String()}
	for i := len(p.entries) - 1; i >= p.keep.MinKeep && total > limit; i-- {
		e := &p.entries[i]
		if !e.keep || e.held {
			continue
		}
		e.keep, e.over, e.why = false, true, []why{over}
		total -= e.size
	}
}

// texts returns the reasons in words.
func (e entry) texts() []string {
	if len(e.why) == 0 {
		return []string{"no rule keeps it"}
	}
	texts := make([]string, len(e.why))
	for i, w := range e.why {
		texts[i] = w.rule
		if w.period != (period{}) {
			texts[i] += " " + w.period.String()
		}
	}
	return texts
}
