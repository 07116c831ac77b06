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

// Encode returns the text of the file.
func (r Record) Encode() ([]byte, error) {
	r.Started = r.Started.UTC()
	return json.Marshal(r)
}

// ParseRecord returns what the text says of that upload; holdfast.ErrCorrupt unless
// it names a key that CheckKey allows.
func ParseRecord(id string, text []byte, maxName int) (Record, error) {
	var r Record
	if err := json.Unmarshal(text, &r); err != nil || CheckKey(r.Key, maxName) != nil {
		return Record{}, fmt.Errorf("record of upload %s: %w", id, holdfast.ErrCorrupt)
	}
	return r, nil
}
