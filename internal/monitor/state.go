package monitor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// StateKey is where the monitor's memory lies.
const StateKey = holdfast.StatePrefix + "monitor.json"

// stateVersion is the version of the document that this code writes and reads.
const stateVersion = 1

// state is what the monitor remembers; the package comment shows the document.
type state struct {
	Version  int                `json:"version"`
	Revision int64              `json:"revision"` // grows with each change of the document
	Looked   time.Time          `json:"looked,omitzero"`
	Postured time.Time          `json:"postured,omitzero"`
	Jobs     map[string]*record `json:"jobs"` // by JobName.String
	Reading  *reading           `json:"reading,omitempty"`
	Open     []holdfast.Finding `json:"open"`
}

// record is what is remembered of one job.
type record struct {
	First  time.Time `json:"first"`
	Looked time.Time `json:"looked"`
	Reread reread    `json:"reread,omitzero"`
	Report failure   `json:"report,omitzero"`
	// Failures are the newest failed runs, newest first, and Drill the last
	// restore drill, as the reports tell of them: for people, not for checks.
	Failures []Failure `json:"failures,omitempty"`
	Drill    *Drill    `json:"drill,omitempty"`
	Orphan   orphan    `json:"orphan,omitzero"`
	Facts    []fact    `json:"facts,omitempty"` // newest first
}

// reread names the backup that was last re-read whole.
type reread struct {
	ID holdfast.ID `json:"id"`
	At time.Time   `json:"at"`
}

// orphan is the oldest backup without a manifest that the sweep should have
// removed, and when it was first seen to be one.
type orphan struct {
	ID holdfast.ID `json:"id"`
	At time.Time   `json:"at"`
}

// failure is what the reports said last.
type failure struct {
	Seen   holdfast.ID `json:"seen"`             // newest report that was looked at
	Failed holdfast.ID `json:"failed,omitempty"` // newest one of a failed run
	Reason string      `json:"reason,omitempty"`
}

// reading is a re-read of one object that goes on in the next run.
type reading struct {
	holdfast.Ref
	File   string `json:"file"`
	Offset int64  `json:"offset"` // bytes read so far
	Sum    []byte `json:"sum"`    // of crypto/sha256, by its MarshalBinary
}

// fact is what is known of one backup, once its manifest was read.
type fact struct {
	ID     holdfast.ID
	Plain  int64     // bytes, of all streams
	Ratios []float64 // plain to stored, by file in the order of plain names
	Digest string    // of the names and sizes that the manifest demands
	Fault  string    // the check that it fails, "" if none
	Reason string    // in a line
	At     time.Time // when the fault was found
}

// MarshalJSON writes a fact as an array: there are tens of thousands of them.
func (f fact) MarshalJSON() ([]byte, error) {
	fields := []any{f.ID, f.Plain, f.Ratios, f.Digest}
	if f.Fault != "" {
		fields = append(fields, f.Fault, f.Reason, f.At.UTC().Format(time.RFC3339))
	}
	return json.Marshal(fields)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *fact) UnmarshalJSON(data []byte) error {
	var fields []json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	into := []any{&f.ID, &f.Plain, &f.Ratios, &f.Digest, &f.Fault, &f.Reason, &f.At}
	if len(fields) != 4 && len(fields) != len(into) {
		return fmt.Errorf("fact of %d fields, want 4 or %d", len(fields), len(into))
	}
	for i, field := range fields {
		if err := json.Unmarshal(field, into[i]); err != nil {
			return err
		}
	}
	_, err := holdfast.ParseID(string(f.ID))
	return err
}

func newState() *state {
	return &state{Version: stateVersion, Jobs: map[string]*record{}, Open: []holdfast.Finding{}}
}

// encode returns the document; the same state always gives the same bytes.
func (st *state) encode() ([]byte, error) {
	slices.SortFunc(st.Open, func(a, b holdfast.Finding) int { return keyOf(a).compare(keyOf(b)) })
	return json.Marshal(st)
}

// decodeState reads the document, strictly: a memory that is only half
// understood would resolve what is still wrong.
func decodeState(data []byte) (*state, error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return nil, fmt.Errorf("monitor state: %v", err)
	}
	if version.Version != stateVersion {
		return nil, fmt.Errorf("monitor state: version %d is not known, only %d", version.Version, stateVersion)
	}
	st := newState()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(st); err != nil {
		return nil, fmt.Errorf("monitor state: %v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("monitor state: something follows it")
	}
	for name, rec := range st.Jobs {
		host, job, _ := strings.Cut(name, "/")
		if holdfast.CheckName("host", host) != nil || holdfast.CheckName("job", job) != nil || rec == nil {
			return nil, fmt.Errorf("monitor state: job %q is not well formed", name)
		}
	}
	seen := map[findingKey]bool{}
	for _, f := range st.Open {
		if seen[keyOf(f)] || f.Check == "" {
			return nil, fmt.Errorf("monitor state: finding %q of %s is not well formed", f.Check, f.Subject())
		}
		seen[keyOf(f)] = true
	}
	if st.Jobs == nil || (st.Reading != nil && st.Reading.Ref.Check() != nil) {
		return nil, fmt.Errorf("monitor state: is not whole")
	}
	return st, nil
}
