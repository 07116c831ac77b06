// Package adopt shows backups that other programs have made as backups of a
// vault, so that they are listed, watched and thinned out beside Holdfast's own.
//
// A file whose name a pattern can read becomes
//
//	backups/<host>/<job>/<id>/<file>          its bytes
//	backups/<host>/<job>/<id>/manifest.json   that it counts; there is none to read
//
// where <id> is the time in the name and eight digits from the SHA-256 of the
// folder it lies in, and <file> its name without the time. Files of one folder and
// one second are one backup with several streams. Objects of a listing that stand
// for such files say so in holdfast.Object.Adopted.
//
// What Holdfast promises of its own backups it cannot promise of these. Nothing
// proves who wrote them, or that they are whole: not even that their program had
// ended well. Their time is what their name says, and whoever can write there can
// write any name. A file that was written to within the last ten minutes has no
// manifest yet.
//
// Holdfast's own backups, reports and state in the same place are shown as ever, and
// are never adopted, whatever a pattern says. What is neither is not shown at all.
//
// # Deleting
//
// Nothing that is adopted is deleted unless its entry says so. Deleting the
// manifest of such a backup touches nothing: it looks at the files again, by name
// and size, and notes that they may go. Deleting a file looks once more, and
// refuses where nobody has deleted the manifest before. So what sweeps up data without
// manifests can delete none of them, and a crash in between leaves the whole backup.
package adopt

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/adopt/pattern"
)

// Source is what holds the files of others: a vault, or a directory.
type Source interface {
	// List yields the files whose path begins with prefix, in any order.
	List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error]
	holdfast.Reader
	holdfast.Deleter
}

// Entry says which files are backups of a job.
type Entry struct {
	Host, Job string
	Pattern   string         // as package pattern has it
	Below     string         // the folder that the pattern's paths begin at; "" for the top
	Zone      *time.Location // of the times in the names; UTC if nil
	Delete    bool           // whether they may be deleted
}

// Options say what is adopted, from where.
type Options struct {
	// Entries, of which for each file the first that matches counts.
	Entries []Entry
	// Source holds the files; nil for the vault itself. Shared says of another
	// one that the vault's own keys are among its paths.
	Source Source
	Shared bool
	// Now is the clock by which a file is too young; time.Now if nil.
	Now func() time.Time
}

// settled is how long a file must not have changed before it counts as whole.
const settled = 10 * time.Minute

// maxFiles is how many files may be adopted for one job: so many are no backups,
// and a pattern that catches them is a slip.
const maxFiles = 100_000

// entry is an Entry that is ready for use.
type entry struct {
	Entry
	name holdfast.JobName
	rule pattern.Rule
}

// Vault is a vault with what is adopted into it. Safe for concurrent use.
type Vault struct {
	holdfast.Vault // own
	entries        []entry
	source         Source
	inside         bool // the source is own
	shared         bool // own keys are among the source's paths
	now            func() time.Time

	mu      sync.Mutex
	known   map[holdfast.JobName]map[holdfast.ID]*group // as they were listed last
	granted map[holdfast.Ref]*group                     // what may be deleted
}

// New returns the view of a vault of one's own that shows what is adopted too. It
// can do beside the contract what own can.
func New(own holdfast.Vault, o Options) (holdfast.Vault, error) {
	v := &Vault{Vault: own, source: o.Source, shared: o.Shared}
	if v.source == nil {
		v.source, v.inside, v.shared = own, true, true
	}
	if err := v.take(o); err != nil {
		return nil, err
	}
	return v.asOwn(), nil
}

// take takes in the entries and the clock.
func (v *Vault) take(o Options) error {
	v.known, v.granted = map[holdfast.JobName]map[holdfast.ID]*group{}, map[holdfast.Ref]*group{}
	if v.now = o.Now; v.now == nil {
		v.now = time.Now
	}
	for _, one := range o.Entries {
		rule, err := pattern.ParseRule(one.Pattern, one.Below)
		if err != nil {
			return fmt.Errorf("adopt %s/%s: %w", one.Host, one.Job, err)
		}
		if one.Zone == nil {
			one.Zone = time.UTC
		}
		v.entries = append(v.entries, entry{one, holdfast.JobName{Host: one.Host, Job: one.Job}, rule})
	}
	return nil
}

// Own returns the vault without what is adopted into it.
func (v *Vault) Own() holdfast.Vault { return v.Vault }

// adopts reports whether anything is adopted for the job.
func (v *Vault) adopts(name holdfast.JobName) bool {
	return slices.ContainsFunc(v.entries, func(e entry) bool { return e.name == name })
}
