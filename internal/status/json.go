package status

import (
	"encoding/json"
	"fmt"
	"io"
)

// WriteJSON writes status.json.
func WriteJSON(w io.Writer, s Status) error {
	s.Version = FormatVersion
	s.Vaults = append([]Vault{}, s.Vaults...)
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	_, err = w.Write(append(body, '\n'))
	return err
}

// maxJSON bounds what is read: 100,000 jobs fit.
const maxJSON = 512 << 20

// ReadJSON reads what WriteJSON wrote; an error for another version of the format.
func ReadJSON(r io.Reader) (Status, error) {
	var s Status
	if err := json.NewDecoder(io.LimitReader(r, maxJSON)).Decode(&s); err != nil {
		return Status{}, fmt.Errorf("read status: %w", err)
	}
	if s.Version != FormatVersion {
		return Status{}, fmt.Errorf("read status: version %d, want %d", s.Version, FormatVersion)
	}
	return s, nil
}
