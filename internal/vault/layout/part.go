package layout

import (
	"fmt"

	"github.com/holdfast-backup/holdfast"
)

// Limits are those of every upload: the places of the parts are counted for so many.
func Limits() holdfast.UploadLimits {
	return holdfast.UploadLimits{MaxParts: holdfast.MaxParts, Checksum: holdfast.ChecksumSHA256}
}

// PartOffset returns where part n (from 1) lies in DataFile, in bytes.
func PartOffset(n int) int64 { return holdfast.PartOffset(n, holdfast.MaxParts) }

// PartSize returns how much room part n (from 1) has there, in bytes.
func PartSize(n int) int64 { return holdfast.PartSize(n, holdfast.MaxParts) }

// CheckPlace returns an error unless the part fits in a place: a larger one would
// reach into the next.
func CheckPlace(p holdfast.Part) error {
	if p.Number < 1 || p.Number > holdfast.MaxParts {
		return fmt.Errorf("parts are numbered from 1 to %d", holdfast.MaxParts)
	}
	if most := PartSize(p.Number); p.Size < 1 || p.Size > most {
		return fmt.Errorf("%d bytes, want 1 to %d", p.Size, most)
	}
	return nil
}

// CheckParts returns holdfast.ErrCorrupt unless the parts are those that the vault
// has, fill DataFile from its beginning without a hole, and make size bytes. has
// returns size and checksum of part n, if there is one; how it came to be there,
// "is stored" or "was sent", is for the error.
func CheckParts(parts []holdfast.Part, size int64, how string, has func(n int) (p holdfast.Part, ok bool)) error {
	var total int64
	for i, p := range parts {
		have, ok := has(i + 1)
		switch {
		case p.Number != i+1 || !ok:
			return fmt.Errorf("part %d is missing: %w", i+1, holdfast.ErrCorrupt)
		case have.Size != p.Size || have.Sum != p.Sum:
			return fmt.Errorf("part %d differs from what %s: %w", i+1, how, holdfast.ErrCorrupt)
		case i+1 < len(parts) && p.Size != PartSize(i+1):
			return fmt.Errorf("part %d has %d bytes and is not the last: %w", i+1, p.Size, holdfast.ErrCorrupt)
		}
		total += p.Size
	}
	if total != size || size == 0 {
		return fmt.Errorf("parts make %d bytes, not %d: %w", total, size, holdfast.ErrCorrupt)
	}
	return nil
}
