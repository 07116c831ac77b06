package monitor

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// findingKey says which findings are the same state going on.
type findingKey struct{ host, job, check string }

func keyOf(f holdfast.Finding) findingKey { return findingKey{f.Host, f.Job, f.Check} }

func (k findingKey) compare(o findingKey) int {
	return cmp.Or(cmp.Compare(k.host, o.host), cmp.Compare(k.job, o.job), cmp.Compare(k.check, o.check))
}

// merge brings st up to what the look saw, and returns the findings with their
// beginnings and how they changed. raced says that st was stored after the look
// began: subjects that it judged later than the look did are left to it, since
// an older look must not bring back what a newer one has settled.
func merge(st *state, l *look, raced bool) outcome {
	out := outcome{findings: []holdfast.Finding{}, transitions: []Transition{}}
	open := map[findingKey]holdfast.Finding{}
	for _, f := range st.Open {
		open[keyOf(f)] = f
	}
	later := func(name holdfast.JobName) bool {
		looked := st.Looked
		if name != (holdfast.JobName{}) {
			looked = time.Time{}
			if rec := st.Jobs[name.String()]; rec != nil {
				looked = rec.Looked
			}
		}
		return raced && looked.After(l.at)
	}

	for _, f := range l.findings {
		key, name := keyOf(f), holdfast.JobName{Host: f.Host, Job: f.Job}
		known, still := open[key]
		f.Since = l.at
		if still {
			f.Since = known.Since
		}
		out.findings = append(out.findings, f)
		if later(name) {
			continue
		}
		change := Opened
		if still {
			change = Still
			if rank(f.Severity) < rank(known.Severity) {
				change = Worsened
			}
		}
		open[key] = f
		out.transitions = append(out.transitions, Transition{change, l.at, f})
	}

	found := map[findingKey]bool{}
	for _, f := range l.findings {
		found[keyOf(f)] = true
	}
	for _, known := range st.Open {
		key, name := keyOf(known), holdfast.JobName{Host: known.Host, Job: known.Job}
		if found[key] || later(name) || !l.covers(name) || !l.judged && known.Check != holdfast.CheckState {
			continue // a look that could not judge the vault takes nothing back
		}
		if l.undecided[key] {
			out.findings = append(out.findings, known)
			out.transitions = append(out.transitions, Transition{Still, l.at, known})
			continue
		}
		delete(open, key)
		out.transitions = append(out.transitions, Transition{Resolved, l.at, known})
	}

	for _, v := range l.views {
		if !later(v.name) {
			st.remember(v, l.at)
		}
	}
	if !later(holdfast.JobName{}) {
		st.Looked = l.at
	}
	// Also after a memory that was lost: what is begun anew must not count as older.
	st.Revision = max(st.Revision+1, l.at.UnixMilli())
	if l.postured {
		st.Postured = l.at
	}
	if l.readOn {
		st.Reading = l.reading
	}
	st.Open = st.Open[:0:0]
	for _, f := range open {
		st.Open = append(st.Open, f)
	}
	slices.SortFunc(st.Open, func(a, b holdfast.Finding) int { return keyOf(a).compare(keyOf(b)) })
	return out
}

// remember stores what a view knows of its job, beside what another monitor
// has learned meanwhile.
func (st *state) remember(v *view, now time.Time) {
	name := v.name.String()
	if v.forgotten {
		delete(st.Jobs, name)
		return
	}
	next := &record{First: v.first, Looked: now, Reread: v.reread, Report: v.report, Orphan: v.orphan, Failures: v.failures, Drill: v.drill}
	theirs := map[holdfast.ID]fact{}
	if prior := st.Jobs[name]; prior != nil {
		if prior.First.Before(next.First) {
			next.First = prior.First
		}
		if prior.Reread.At.After(next.Reread.At) {
			next.Reread = prior.Reread
		}
		if prior.Orphan.ID == next.Orphan.ID && prior.Orphan.At.Before(next.Orphan.At) {
			next.Orphan = prior.Orphan
		}
		if prior.Report.Seen > next.Report.Seen {
			next.Report, next.Failures, next.Drill = prior.Report, prior.Failures, prior.Drill
		}
		for _, f := range prior.Facts {
			theirs[f.ID] = f
		}
	}
	for _, k := range v.kept {
		f, known := theirs[k.id]
		if k.learned || !known {
			f, known = k.fact, k.known
		}
		if known && !k.gone {
			next.Facts = append(next.Facts, f)
		}
	}
	st.Jobs[name] = next
}
