package holdfast

import "time"

// Policy is what is asked of one job of one host: what to keep, what to expect,
// how much it may send.
type Policy struct {
	Keep   Keep
	Expect Expect
	Quota  Quota
}

// Form tells the two ways of saying what to keep apart.
type Form string

// The forms of Keep.
const (
	KeepAll Form = ""        // nothing is ever deleted by rule
	Windows Form = "windows" // lengths of time, chained, as in spatie/laravel-backup
	Counts  Form = "counts"  // numbers of backups, a union, as in restic's forget
)

// Keep says which backups of a job stay. internal/retention applies it.
type Keep struct {
	Form    Form
	Windows KeepWindows // where Form is Windows
	Counts  KeepCounts  // where Form is Counts
	// MaxTotal is the most the job's backups may occupy in the vault; the
	// oldest go first until the rest fits. Zero is no limit.
	MaxTotal Size
	// MinKeep is how many of the newest good backups no rule and no limit
	// deletes. At least 1; DefaultMinKeep where nothing is said.
	MinKeep int
	// Location is the time zone in which days, weeks, months and years begin.
	Location *time.Location
}

// DefaultMinKeep is MinKeep where the configuration says nothing.
const DefaultMinKeep = 3

// KeepWindows are chained lengths of time: all backups of the first, then from
// there back one a day, then one a week, and so on.
type KeepWindows struct{ All, Daily, Weekly, Monthly, Yearly Span }

// KeepCounts are numbers of periods that have a backup, of which the newest
// each stays; Last counts backups themselves.
type KeepCounts struct{ Last, Hourly, Daily, Weekly, Monthly, Yearly int }

// Expect says what a healthy job looks like, as seen from the vault.
type Expect struct {
	Every    Span    // how often a backup should arrive
	Grace    Span    // how much later is still in order
	MinSize  Size    // stored size below which a backup is suspect; 0: unchecked
	MaxTotal Size    // stored size of all backups above which to warn; 0: unchecked
	MinCount int     // good backups below which to warn; 0: unchecked
	Shrink   float64 // ratio to the median below which a backup is suspect, e.g. 0.5; 0: unchecked
	Grow     float64 // ratio to the median above which a backup is suspect, e.g. 3; 0: unchecked
}

// Deadline returns when a job whose newest good backup is of time last becomes stale.
func (e Expect) Deadline(last time.Time) time.Time {
	return last.Add(e.Every.Duration() + e.Grace.Duration())
}

// Quota bounds what a host may send for a job.
type Quota struct {
	MaxSize   Size // stored size of one backup, bytes
	MaxPerDay int  // backups begun per UTC day
}
