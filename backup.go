package holdfast

import "time"

// Backup is one backup as a listing of the vault shows it.
type Backup struct {
	Ref
	Committed bool     // its manifest exists
	Held      bool     // pinned: retention leaves it
	Manifest  Object   // the zero Object where Committed is false
	Data      []Object // its data objects, in key order
}

// Time returns when the broker admitted the backup, UTC.
func (b Backup) Time() time.Time { return b.ID.Time() }

// Size returns what the backup occupies in the vault: data and manifest, in bytes.
func (b Backup) Size() int64 {
	size := b.Manifest.Size
	for _, o := range b.Data {
		size += o.Size
	}
	return size
}

// DataSize returns the stored size of its data objects, in bytes.
func (b Backup) DataSize() int64 { return b.Size() - b.Manifest.Size }

// addedAfter is how long after the manifest its data can arrive where somebody copies
// or mirrors files in an order of their own.
const addedAfter = 48 * time.Hour

// Own returns the data objects that were there when the manifest was written, or two
// days later. What came after that is not the backup's: where hosts write by themselves
// they can add files beside it. Where nothing was there before, all are its own.
func (b Backup) Own() []Object {
	var own []Object
	for _, o := range b.Data {
		if !o.ModTime.After(b.Manifest.ModTime.Add(addedAfter)) {
			own = append(own, o)
		}
	}
	if len(own) == 0 {
		return b.Data
	}
	return own
}

// Adopted says of an object that something other than Holdfast has made it: there
// is no manifest, no signature and no hash to prove it by, and its time is that of
// its name.
type Adopted struct {
	Key    string `json:"key,omitempty"`    // of the object as it lies there; empty for the manifest, which does not
	Delete bool   `json:"delete,omitempty"` // whether retention may delete it
}

// Adopted returns how the backup was adopted, nil for one that Holdfast has made.
func (b Backup) Adopted() *Adopted { return b.Manifest.Adopted }

// FutureTolerance is how far ahead of the reader's clock a backup's time may
// lie before it counts as future-dated; it absorbs the difference between two
// well-kept clocks.
const FutureTolerance = 5 * time.Minute

// Future reports whether the backup bears a time that has not come yet.
func (b Backup) Future(now time.Time) bool { return b.Time().After(now.Add(FutureTolerance)) }

// Good reports whether the backup counts: committed, with data that is not
// empty, and not future-dated. Only good backups take a slot in retention or
// make a job fresh.
func (b Backup) Good(now time.Time) bool {
	if !b.Committed || b.DataSize() == 0 || b.Future(now) {
		return false
	}
	for _, o := range b.Data {
		// What came after the manifest is not the backup's: where hosts add files by
		// themselves, an empty one must not make a backup worthless.
		if o.Size == 0 && !o.ModTime.After(b.Manifest.ModTime) {
			return false
		}
	}
	return true
}
