package monitor

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// How many backups of a job are looked at closely: the newest ones, and the
// largest of each of the newest days, so that many pushes on one day do not
// displace what is usual.
const (
	keptNewest = 30                    // and as many bad ones, and as many without data
	keptDays   = catalog.UsualDays + 1 // the newest's own and those of the reference
)

// view is one job as a run sees it: a summary of the listing, small enough to
// hold one of each job.
type view struct {
	name      holdfast.JobName
	policy    holdfast.Policy
	forgotten bool // has no policy any more
	retired   bool // its host was cut off

	first  time.Time
	reread reread
	report failure
	orphan orphan

	failures []Failure // newest first
	drill    *Drill    // the last

	history    catalog.History
	kept       []kept // newest first
	good       int    // by the listing, those beyond kept too
	total      int64
	unfinished tally
	overdue    tally // unfinished and old
	future     tally
	stray      tally
	reports    int // stored

	corrupt  bool        // the backup of the open hash finding is still there
	tried    bool        // a re-read ended in this run
	unread   error       // why one could not be done
	unreadID holdfast.ID // of which backup
}

// tally counts things and names one of them.
type tally struct {
	n    int
	name string // of the newest
}

func (t *tally) add(name string) {
	if t.n == 0 {
		t.name = name
	}
	t.n++
}

// kept is one backup that is looked at closely.
type kept struct {
	id      holdfast.ID
	size    int64     // stored, of the data objects
	stored  time.Time // its manifest, by the vault's clock
	files   []file    // by name
	digest  string    // of the names and sizes that are listed
	adopted bool      // something else has made it, so there is no manifest to judge it by
	hollow  bool      // committed, and without data by the listing alone
	fact    fact
	known   bool  // fact holds something
	learned bool  // in this run
	settled bool  // fact speaks of what is listed
	gone    bool  // deleted since it was listed
	trouble error // why its manifest could not be read in this run
}

// file is one file of a backup as the listing shows it.
type file struct {
	name string // plain, see catalog.FileSizes
	size int64  // stored, bytes
}

func filesOf(b holdfast.Backup) []file {
	sizes := catalog.FileSizes(b.Data)
	files := make([]file, 0, len(sizes))
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		files = append(files, file{name, sizes[name]})
	}
	return files
}

// good reports whether nothing is known against the backup.
func (k kept) good() bool {
	return !k.hollow && !k.gone && (k.fact.Fault == "" || k.fact.Fault == faultUnexpected)
}

// faultUnexpected is the fault of objects that the manifest does not name. It
// belongs to holdfast.CheckStored and does not make a backup bad.
const faultUnexpected = "unexpected"

func (v *view) ref(k kept) holdfast.Ref {
	return holdfast.Ref{Host: v.name.Host, Job: v.name.Job, ID: k.id}
}

// newest returns the newest good backup, nil if there is none.
func (v *view) newest() *kept {
	for i := range v.kept {
		if v.kept[i].good() {
			return &v.kept[i]
		}
	}
	return nil
}

// count returns the number of good backups.
func (v *view) count() int {
	n := v.good
	for _, k := range v.kept {
		if !k.hollow && !k.good() {
			n--
		}
	}
	return n
}

func (v *view) status(now time.Time) JobStatus {
	s := JobStatus{
		Host: v.name.Host, Job: v.name.Job, Count: v.count(), Total: v.total, Unfinished: v.unfinished.n,
		Failures: v.failures, Drill: v.drill,
	}
	if k := v.newest(); k != nil {
		s.Usual = int64(v.history.Before(k.id.Time()).Size)
		s.Newest = &Newest{
			ID: k.id, AgeSeconds: int64(now.Sub(k.id.Time()).Seconds()), Size: k.size, PlainSize: k.fact.Plain, Adopted: k.adopted,
		}
	}
	return s
}

// fill takes from the listing of the job what the checks need, and adds the
// backups whose manifest is not known, or does not fit the listing, to wanted.
func (v *view) fill(job catalog.Job, now time.Time, st *state, corrupt holdfast.ID, wanted *wanted) {
	facts := map[holdfast.ID]fact{}
	if rec := st.Jobs[v.name.String()]; rec != nil {
		for _, f := range rec.Facts {
			facts[f.ID] = f
		}
	}
	for _, o := range job.Stray {
		v.stray.add(o.Key)
		v.total += o.Size
	}
	pick, oldest := newPicker(), holdfast.ID("")
	usual := usualOf(job, now)
	for _, b := range job.Backups {
		v.total += b.Size()
		v.corrupt = v.corrupt || b.Committed && b.ID == corrupt
		good := b.Good(now)
		switch {
		case b.Future(now):
			v.future.add(string(b.ID))
			continue
		case !b.Committed && len(b.Data) > 0:
			v.unfinished.add(string(b.ID))
			if now.Sub(b.Time()) > UnfinishedAfter {
				v.overdue.add(string(b.ID))
				oldest = b.ID
			}
			continue
		case !b.Committed:
			continue
		case good:
			v.good++
		}
		fault := facts[b.ID].Fault
		if good && (fault == "" || fault == faultUnexpected) && usual(b) {
			v.history.Add(b.Time(), b.Data)
		}
		pick.offer(b, good, fault)
	}
	if oldest != v.orphan.ID {
		v.orphan = orphan{oldest, now}
	}
	for rank, b := range pick.picked() {
		k := kept{id: b.ID, size: b.DataSize(), files: filesOf(b), stored: b.Manifest.ModTime, digest: digestObjects(b), adopted: b.Adopted() != nil, hollow: !b.Good(now)}
		k.fact, k.known = facts[b.ID]
		k.check()
		v.kept = append(v.kept, k)
		if !k.settled {
			// A manifest that was bad once is read again for the case that
			// a key was added, after all that was never read.
			wanted.add(rank, k.known && k.fact.Fault == holdfast.CheckManifest, want{v, len(v.kept) - 1, b})
		}
	}
}

// usualOf reports of the job's backups whether their sizes say what is usual: those
// that were made in the same way as the newest good one, by Holdfast or by
// something else. Other programs pack things up in other ways.
func usualOf(job catalog.Job, now time.Time) func(holdfast.Backup) bool {
	for _, newest := range job.Backups {
		if newest.Good(now) {
			return func(b holdfast.Backup) bool { return (b.Adopted() == nil) == (newest.Adopted() == nil) }
		}
	}
	return func(holdfast.Backup) bool { return true }
}

// check sets settled: whether the manifest need not be read for the listing to
// be judged.
func (k *kept) check() {
	if k.adopted {
		k.fact, k.known, k.settled = fact{}, false, true
		return
	}
	k.settled = k.known && k.fact.Digest == k.digest && k.fact.Fault != holdfast.CheckManifest
	if k.settled && (k.fact.Fault == holdfast.CheckStored || k.fact.Fault == faultUnexpected) {
		k.fact.Fault, k.fact.Reason = "", "" // mended
		k.learned = true
	}
}

// picker chooses the backups of a job that are looked at closely. Bad ones have
// a quota of their own, so that however many come they hide no good one.
type picker struct {
	newest  []holdfast.Backup
	bad     []holdfast.Backup
	hollow  []holdfast.Backup
	largest map[string]holdfast.Backup // by day
}

func newPicker() *picker { return &picker{largest: map[string]holdfast.Backup{}} }

// offer takes the committed backups, newest first, with what the listing and
// the memory say of them.
func (p *picker) offer(b holdfast.Backup, good bool, fault string) {
	into := &p.newest
	switch {
	case !good:
		into = &p.hollow
	case fault != "" && (fault != faultUnexpected || len(p.newest) == keptNewest):
		into = &p.bad
	default:
		day := b.Time().Format(time.DateOnly)
		if top, ok := p.largest[day]; ok && b.DataSize() > top.DataSize() || !ok && len(p.largest) < keptDays {
			p.largest[day] = b
		}
	}
	if len(*into) < keptNewest {
		*into = append(*into, b)
	}
}

// picked returns the chosen ones, newest first.
func (p *picker) picked() []holdfast.Backup {
	all := slices.Concat(p.newest, p.bad, p.hollow)
	for _, b := range p.largest {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b holdfast.Backup) int { return cmp.Compare(b.ID, a.ID) })
	return slices.CompactFunc(all, func(a, b holdfast.Backup) bool { return a.ID == b.ID })
}

// digestObjects returns the digest of the data objects that are listed beside a manifest.
func digestObjects(b holdfast.Backup) string {
	files := make([]string, len(b.Data))
	for i, o := range b.Data {
		_, file, _ := holdfast.ParseKey(o.Key)
		files[i] = fmt.Sprintf("%s %d\n", file, o.Size)
	}
	return digest(files)
}

// digestStreams returns the digest of the data objects that a manifest demands.
func digestStreams(m holdfast.Manifest) string {
	files := make([]string, len(m.Streams))
	for i, s := range m.Streams {
		files[i] = fmt.Sprintf("%s %d\n", s.File, s.StoredSize)
	}
	return digest(files)
}

func digest(files []string) string {
	slices.Sort(files)
	h := sha256.New()
	for _, f := range files {
		h.Write([]byte(f))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:8])
}
