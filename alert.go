package holdfast

import (
	"context"
	"time"
)

// Event is a kind of news about a job. The bad ones are told by default.
type Event string

// Events, each routed by itself.
const (
	BackupFailed     Event = "backup-failed"     // the host reported a failed run
	CleanupFailed    Event = "cleanup-failed"    // retention refused, failed or stopped running
	Unhealthy        Event = "unhealthy"         // any other finding
	BackupSucceeded  Event = "backup-succeeded"  // a good backup has arrived
	CleanupSucceeded Event = "cleanup-succeeded" // retention deleted what was due
	Healthy          Event = "healthy"           // nothing is wrong with a job any more, or with a new one
)

// Events returns all of them, the bad ones first.
func Events() []Event {
	return []Event{BackupFailed, CleanupFailed, Unhealthy, BackupSucceeded, CleanupSucceeded, Healthy}
}

// Bad reports whether it is told where nothing is said about events.
func (e Event) Bad() bool { return e == BackupFailed || e == CleanupFailed || e == Unhealthy }

// Step is what has become of an alert since the channel was last told of it.
type Step string

// Steps. An alert is opened once and resolved once; in between it may worsen
// from a warning to critical, and people are reminded of it. News is what has
// no duration: good news.
const (
	Opened   Step = "opened"
	Worsened Step = "worsened"
	Reminder Step = "reminder"
	Resolved Step = "resolved"
	Ongoing  Step = "ongoing" // nothing: it is in the message for the sake of the others
	News     Step = "news"
)

// Item is one thing that a message says.
type Item struct {
	Event Event     `json:"event"`
	Step  Step      `json:"step"`
	At    time.Time `json:"at"` // when it came to that, UTC
	// Finding is what is, or was, wrong, Since when it began. Of good news
	// only Host, Job, Backup and Summary are set.
	Finding Finding `json:"finding"`
	// Last is the job's newest good backup; nil where there is none, or
	// nothing was asked about the job.
	Last *LastBackup `json:"last,omitempty"`
	// Flapping says that it comes and goes, and is resolved only after it has
	// been quiet for a while.
	Flapping bool `json:"flapping,omitempty"`
}

// LastBackup is the newest good backup of a job, as an alert has it.
type LastBackup struct {
	ID    ID    `json:"id"`
	Size  int64 `json:"size"`            // stored, bytes
	Usual int64 `json:"usual,omitempty"` // bytes, the median of the last ones; 0 where nothing is usual yet
}

// Kind tells messages apart.
type Kind string

// Kinds of messages.
const (
	KindChange Kind = "change" // alerts and news, in Items
	KindDigest Kind = "digest" // the state of the whole, in Overview
)

// Message is what people are told at once. Nothing in it is secret but Link,
// which lets whoever has it see the status page.
type Message struct {
	// ID names the message: what is sent again after a failure has the same.
	// Of [a-z0-9-].
	ID    string    `json:"id"`
	Kind  Kind      `json:"kind"`
	At    time.Time `json:"at"`              // UTC
	Vault string    `json:"vault,omitempty"` // its name, where there are several
	// Sample says that nothing of it is true: it shows what would be told.
	Sample bool `json:"sample,omitempty"`
	// Items are what has changed, the worst first, at least one in a
	// KindChange; More is how many further ones are left out.
	Items []Item `json:"items,omitempty"`
	More  int    `json:"more,omitempty"`
	// Thread is the earlier message that this one goes on from, nil for one
	// that begins a thread, or none.
	Thread   *Thread   `json:"thread,omitempty"`
	Overview *Overview `json:"overview,omitempty"` // of a KindDigest
	Link     string    `json:"link,omitempty"`     // signed URL of the status page
}

// Thread is a message that was sent, and how what it was about stands now.
type Thread struct {
	ID     string    `json:"id"` // Message.ID of the one that began it
	At     time.Time `json:"at"` // and its At
	Posted string    `json:"-"`  // what the channel returned for it
	// Items are what the thread is about, in the order of the message that
	// began it, with the steps they are at: Opened for what is going on
	// unchanged or worse, Resolved for what is over. More is how many further
	// ones are left out, Open how many of all are going on.
	Items []Item `json:"items"`
	More  int    `json:"more,omitempty"`
	Open  int    `json:"open,omitempty"`
}

// Over reports whether all that the thread is about is over.
func (t Thread) Over() bool {
	for _, item := range t.Items {
		if item.Step != Resolved {
			return false
		}
	}
	return t.Open == 0
}

// Overview is the state of the whole, for a digest.
type Overview struct {
	From     time.Time `json:"from"` // begin of the time it speaks of, UTC
	Jobs     int       `json:"jobs"` // watched ones
	OK       int       `json:"ok"`
	Warning  int       `json:"warning"`
	Critical int       `json:"critical"`
	Silenced int       `json:"silenced"`
	Backups  int       `json:"backups"` // good ones that arrived since From
	Stored   int64     `json:"stored"`  // bytes, of all jobs
	Grown    int64     `json:"grown"`   // bytes by which that changed since From, 0 where not known
	Open     []Item    `json:"open"`    // what is wrong, the worst first, at most 20
}

// Channel tells people. Its methods are safe for concurrent use.
type Channel interface {
	// Send delivers m, within the deadline of ctx, and returns when the
	// service on the other side has taken it. What it returns is given back in
	// Thread.Posted of later messages about the same; at most 256 bytes.
	// Where m goes on from a thread that the channel can change, it brings
	// the thread's first message up to date too; failing at that alone is no
	// error. An error is one line and holds no secret, also no URL that is
	// one. It wraps RetryAfterError where the service says when to come again.
	Send(ctx context.Context, m Message) (posted string, err error)
}

// RetryAfterError says that a service wants to be left alone for a while.
type RetryAfterError struct {
	After time.Duration
	Err   error
}

// Error returns the text of Err.
func (e *RetryAfterError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *RetryAfterError) Unwrap() error { return e.Err }
