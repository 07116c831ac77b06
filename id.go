package holdfast

import (
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"time"
)

// ID names one backup, e.g. "20251028T140000Z-9f3c2a7d": the UTC second at
// which the broker admitted it and 32 random bits. IDs sort by time and cannot
// be guessed. Only the broker makes them, so that no host clock can displace a
// good backup.
type ID string

const (
	idTime  = "20060102T150405Z"
	idBytes = 4
	// IDLength is the length of every valid ID, in bytes.
	IDLength = len(idTime) + 1 + 2*idBytes
)

var idPattern = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$`)

// NewID returns the ID for a backup admitted at t, with random bits from r
// (crypto/rand.Reader outside tests).
func NewID(t time.Time, r io.Reader) (ID, error) {
	var b [idBytes]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return "", fmt.Errorf("make backup id: %w", err)
	}
	return ID(t.UTC().Format(idTime) + "-" + hex.EncodeToString(b[:])), nil
}

// ParseID returns s as an ID, or an error unless it is exactly what NewID makes.
func ParseID(s string) (ID, error) {
	if !idPattern.MatchString(s) {
		return "", fmt.Errorf("backup id %q: want the form 20251028T140000Z-9f3c2a7d", s)
	}
	if _, err := time.Parse(idTime, s[:len(idTime)]); err != nil {
		return "", fmt.Errorf("backup id %q: no such time", s)
	}
	return ID(s), nil
}

// Time returns the broker's time in the ID, in UTC; the zero time if id is not valid.
func (id ID) Time() time.Time {
	if len(id) != IDLength {
		return time.Time{}
	}
	t, err := time.Parse(idTime, string(id[:len(idTime)]))
	if err != nil {
		return time.Time{}
	}
	return t
}

// DayPrefix returns what every ID made on t's UTC day begins with, e.g. "20251028T".
func DayPrefix(t time.Time) string { return t.UTC().Format("20060102T") }
