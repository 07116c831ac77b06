package alert

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// key says which findings are the same state going on. about tells the engine's
// own findings apart, of which there may be several of one check: it names the
// channel, or the document that could not be read.
type key struct{ host, job, check, about string }

func keyOf(f holdfast.Finding) key { return key{host: f.Host, job: f.Job, check: f.Check} }

func (k key) String() string {
	subject := holdfast.Finding{Host: k.host, Job: k.job}.Subject()
	return strings.TrimSpace(subject + " " + k.check + " " + k.about)
}

// incident is one alert, from its opening to its end.
type incident struct {
	ID       string           `json:"id"`
	About    string           `json:"about,omitempty"` // see key
	Finding  holdfast.Finding `json:"finding"`         // as it was last, by its own severity
	Opened   time.Time        `json:"opened"`
	Cleared  time.Time        `json:"cleared,omitzero"`   // since when nothing is wrong
	Closed   bool             `json:"closed,omitempty"`   // it is over, since Cleared
	Flapping bool             `json:"flapping,omitempty"` // see flapLimit
	// Due names the channels that should have been told of it while it was
	// open, and have been told nothing, or that it was over.
	Due  map[string]bool `json:"due,omitempty"`
	Told map[string]told `json:"told,omitempty"` // by channel
}

// told is what a channel was told last.
type told struct {
	N        int               `json:"n"` // how often it was told anything
	At       time.Time         `json:"at"`
	Severity holdfast.Severity `json:"severity"`
	Thread   string            `json:"thread,omitempty"` // Message.ID of the one that began it
	Reminded int               `json:"reminded,omitempty"`
	Over     bool              `json:"over,omitempty"` // it was told of the end
}

// later returns what was told last of two pieces of knowledge about one incident.
// Where that cannot be said it is the one that calls for another message.
func (t told) later(o told) told {
	last := t
	if order := cmp.Or(o.At.Compare(t.At), cmp.Compare(o.N, t.N)); order > 0 || order == 0 && !o.Over {
		last = o
	}
	last.N = max(t.N, o.N)
	return last
}

// incidentID names an incident that was opened at a time by a look that was taken
// in now.
func incidentID(k key, at, now time.Time) string {
	return digest(k.host, k.job, k.check, k.about, at.UTC().Format(time.RFC3339Nano), now.UTC().Format(time.RFC3339Nano))
}

// digest returns a name of [a-z0-9] that stands for parts.
func digest(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		hash.Write([]byte(strconv.Quote(part)))
	}
	return hex.EncodeToString(hash.Sum(nil)[:10])
}

func (i *incident) key() key {
	k := keyOf(i.Finding)
	k.about = i.About
	return k
}

func (i *incident) job() holdfast.JobName {
	return holdfast.JobName{Host: i.Finding.Host, Job: i.Finding.Job}
}

// open reports whether it is wrong at this moment. What flaps can be neither
// open nor closed.
func (i *incident) open() bool { return !i.Closed && i.Cleared.IsZero() }

// event returns the kind of news that the incident is.
func (i *incident) event() holdfast.Event { return i.Finding.Event() }

// ofChannel reports whether it is about a channel that takes no messages.
func (i *incident) ofChannel() bool {
	return i.About != "" && i.Finding.Check == holdfast.CheckChannel
}

// rank orders severities, the worse ones first.
func rank(s holdfast.Severity) int {
	switch s {
	case holdfast.Critical:
		return 0
	case holdfast.Warning:
		return 1
	}
	return 2
}
