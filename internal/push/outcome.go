package push

import (
	"errors"
	"time"
	"unicode/utf8"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Status is how a run ended.
type Status string

// The ways a run ends.
const (
	OK      Status = "ok"
	Failed  Status = "failed"  // no backup was made
	Partial Status = "partial" // the backup exists; a destination lacks it, or a post hook, a copy here or keep failed
)

// Stages of a run, as Outcome and reports name them.
const (
	StageSetup  = "setup"
	StageLock   = "lock"
	StageHook   = "hook"
	StageStart  = "start"
	StageDump   = "dump"
	StageSpool  = "spool"
	StageUpload = "upload"
	StageCommit = "commit"
	StageKeep   = "keep"
)

// ErrRunning: another run of the same job holds the lock.
var ErrRunning = errors.New("is running already")

// Outcome is the result of a run. Its texts are redacted.
type Outcome struct {
	Host       string          `json:"host"`
	Job        string          `json:"job"`
	ID         holdfast.ID     `json:"id,omitempty"` // once it has one
	Status     Status          `json:"status"`
	DryRun     bool            `json:"dry_run,omitempty"`
	Stage      string          `json:"stage,omitempty"` // where it failed
	Error      string          `json:"error,omitempty"`
	Tail       string          `json:"tail,omitempty"` // end of the failed program's stderr
	PlainSize  int64           `json:"plain_size"`     // bytes
	StoredSize int64           `json:"stored_size"`    // bytes
	Started    time.Time       `json:"started"`        // by the host's clock
	Seconds    float64         `json:"seconds"`
	Warnings   []string        `json:"warnings,omitempty"`
	Streams    []StreamOutcome `json:"streams,omitempty"` // those that are whole
	// Deliveries are what became of the backup at each destination.
	Deliveries []DeliveryOutcome `json:"deliveries,omitempty"`

	err error
}

// DeliveryOutcome is what became of the backup in one vault.
type DeliveryOutcome struct {
	Name   string      `json:"name"`            // of the destination
	Vault  string      `json:"vault,omitempty"` // behind a broker
	ID     holdfast.ID `json:"id,omitempty"`    // of the backup there
	Status Status      `json:"status"`          // OK or Failed
	// Stage and Error say where and of what it failed, unless it is the whole run
	// that did.
	Stage string `json:"stage,omitempty"`
	Error string `json:"error,omitempty"`
	Parts int    `json:"parts"` // stored there, of streams that are whole
}

// Full returns the name of the destination and of the vault, where there are two.
func (d DeliveryOutcome) Full() string {
	if d.Vault == "" {
		return d.Name
	}
	return d.Name + "/" + d.Vault
}

// StreamOutcome is one stream that is whole.
type StreamOutcome struct {
	Name       string         `json:"name"`
	File       string         `json:"file"`
	PlainSize  int64          `json:"plain_size"`  // bytes
	StoredSize int64          `json:"stored_size"` // bytes
	Parts      int            `json:"parts,omitempty"`
	Source     holdfast.Facts `json:"source"`
}

// Err returns nil if the run ended OK, else an error with Error's text. For a
// failure it wraps the cause, so that ErrRunning, holdfast.ErrFull and
// *api.Problem can be told; the cause's own text is not redacted.
func (o Outcome) Err() error {
	if o.Status == OK {
		return nil
	}
	return outcomeError{o.Error, o.err}
}

type outcomeError struct {
	text  string
	cause error
}

func (e outcomeError) Error() string { return e.text }
func (e outcomeError) Unwrap() error { return e.cause }

// failure is an error and the stage in which it happened.
type failure struct {
	stage string
	error
}

func (f *failure) Unwrap() error { return f.error }

func failed(stage string, err error) error {
	if err == nil {
		return nil
	}
	return &failure{stage, err}
}

// fail records err as what the run failed of.
func (o *Outcome) fail(err error, secrets []secret.Secret) {
	o.Status, o.err, o.Stage = Failed, err, StageSetup
	var f *failure
	if errors.As(err, &f) {
		o.Stage = f.stage
	}
	o.Error = redact(err.Error(), secrets)
	var tailed interface{ Tail() string }
	if errors.As(err, &tailed) {
		o.Tail = redact(tailed.Tail(), secrets)
	}
}

func redact(text string, secrets []secret.Secret) string {
	revealed := make([]string, len(secrets))
	for i, s := range secrets {
		revealed[i] = s.Reveal()
	}
	return secret.Redact(text, revealed...)
}

// head and tail cut text to at most n bytes of whole characters.
func head(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

func tail(text string, n int) string {
	if len(text) <= n {
		return text
	}
	at := len(text) - n
	for at < len(text) && !utf8.RuneStart(text[at]) {
		at++
	}
	return text[at:]
}
