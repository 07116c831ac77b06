package layout

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Record is what RecordFile says of an upload.
type Record struct {
	Key     string    `json:"key"`
	Started time.Time `json:"started"`
}

// MaxRecord is far more than a record has, in bytes: what is larger was not written
// here, and is not read.
const MaxRecord = 16 << 10

// Encode returns the text of the file.
func (r Record) Encode() ([]byte, error) {
	r.Started = r.Started.UTC()
	return json.Marshal(r)
}

// ParseRecord returns what the text says of that upload; holdfast.ErrCorrupt unless
// it names a key that holdfast.CheckKey allows.
func ParseRecord(id string, text []byte, maxName int) (Record, error) {
	var r Record
	if err := json.Unmarshal(text, &r); err != nil || holdfast.CheckKey(r.Key, maxName) != nil {
		return Record{}, fmt.Errorf("record of upload %s: %w", id, holdfast.ErrCorrupt)
	}
	return r, nil
}
