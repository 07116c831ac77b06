// Package push is the run of a job: hooks, sources, the stored stream, its parts
// sent to every destination at once, the commit of each. It knows a broker and a
// vault only as interfaces, and sources only as holdfast.Source; it reads no
// configuration, prints nothing and never exits.
//
// A destination has the backup only if every source returned nil, yielded
// something, was sent whole, and the broker said that the backup exists, or the
// vault showed all of it and took the manifest. A run is a success only if every
// destination has it.
//
// No destination holds up the others for ever. Brokers that are away are waited for
// as Retry says, but for a minute only where the backup also goes to vaults that
// this host reaches by itself; the run then leaves them out. A vault whose calls do
// not return, as on a dying disk, is lost like one that fails, and what hangs there
// is left behind.
package push

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/stream"
)

// Job is what a run backs up and how.
type Job struct {
	Host, Name string
	Pusher     string // the program's version, for manifest and reports
	Sources    []Source
	To         []string // names of the destinations; none: all of them
	Options    stream.Options
	Hooks      Hooks
	Heartbeat  Heartbeat
	StateDir   string          // where the lock lies; made if it is not there
	Spool      string          // directory to dump into before sending; "" streams
	KeepLocal  int             // how many backups stay in Spool
	Timeout    time.Duration   // of the whole run; 0 is none
	Secrets    []secret.Secret // taken out of every text that leaves the run
	// Broken, if set, is why the job cannot be run, such as a secret that is
	// not there: its run fails with it at once, and is reported like any other.
	Broken error
}

// Source is a source and the name of the stream that it becomes.
type Source struct {
	Stream string
	holdfast.Source
}

// Hooks are commands around a run, each a program and its arguments.
type Hooks struct {
	Pre, Post [][]string
	Timeout   time.Duration // of each; 0 is DefaultHookTimeout
}

// DefaultHookTimeout is how long a hook may take where nothing is said.
const DefaultHookTimeout = 10 * time.Minute

// Heartbeat has the URLs to ping; an empty one is not pinged.
type Heartbeat struct{ Start, Success, Failure string }

// Deps is what a run needs from outside. Destinations and SignManifest must be
// set.
type Deps struct {
	Destinations []Destination // all that the host has; their order is that of the outcome
	SignManifest func(holdfast.Manifest) ([]byte, error)
	HTTP         *http.Client   // for heartbeats; default NewHTTPClient()
	Retry        Retry          // how outages are waited out
	Log          *slog.Logger   // told of retries; default none
	Progress     func(Progress) // called now and then from one goroutine at a time; may be nil
	Now          func() time.Time
	Sleep        func(context.Context, time.Duration) error // ends early with ctx's error
}

// Progress is how far a run has come.
type Progress struct {
	Stage   string        // StageDump or StageUpload
	Stream  string        // its name
	Plain   int64         // bytes the source has yielded, 0 while a spooled file is sent
	Stored  int64         // bytes after compression and encryption, or sent from the spool
	Elapsed time.Duration // since the run began
}

func (d Deps) withDefaults() Deps {
	if d.HTTP == nil {
		d.HTTP = NewHTTPClient()
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Progress == nil {
		d.Progress = func(Progress) {}
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Sleep == nil {
		d.Sleep = sleep
	}
	d.Retry = d.Retry.withDefaults()
	return d
}

// check returns an error for what would make a backup that cannot be committed
// or told apart, before anything is dumped.
func (j Job) check() error {
	if j.Broken != nil {
		return j.Broken
	}
	if err := holdfast.CheckName("host", j.Host); err != nil {
		return err
	}
	if err := holdfast.CheckName("job", j.Name); err != nil {
		return err
	}
	if len(j.Sources) == 0 || len(j.Sources) > holdfast.MaxStreams {
		return fmt.Errorf("job %q: %d sources, want 1 to %d", j.Name, len(j.Sources), holdfast.MaxStreams)
	}
	if j.KeepLocal > 0 && j.Spool == "" {
		return fmt.Errorf("job %q: keeping local backups needs a spool directory", j.Name)
	}
	if err := j.Options.Recipients.Encryption().Check(); err != nil {
		return err
	}
	names, files := map[string]bool{}, map[string]bool{}
	for _, s := range j.Sources {
		file := j.file(s)
		if err := holdfast.CheckName("stream", s.Stream); err != nil {
			return err
		}
		if err := holdfast.CheckFile(file); err != nil {
			return err
		}
		if names[s.Stream] || files[file] {
			return fmt.Errorf("job %q: two sources are named %q or yield %q", j.Name, s.Stream, file)
		}
		names[s.Stream], files[file] = true, true
	}
	return j.Options.Check()
}

// file returns the name of the data object of a source.
func (j Job) file(s Source) string {
	return s.File() + j.Options.Extension()
}
