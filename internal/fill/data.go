package fill

import (
	"context"
	"fmt"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

// data is the data of one backup on its way into the target.
type data struct {
	*copier
	fetcher restore.Fetcher
	m       holdfast.Manifest
	proven  map[string]bool // files that were in the target as the manifest says
	done    *Copied
}

// looks is how often the target is looked at for what it lacks, before giving up.
const looks = 3

// again looks at the target, once it has been filled, and sends what is not there, or not any more. To the
// target's sweep, data without a manifest is an orphan once its id and its objects
// are two days old, and the ids that are copied are: of an object that an earlier copy
// has left, or a long one has sent first, it can make an end at any time.
func (d data) again(ctx context.Context) error {
	for range looks {
		there, err := d.present(ctx, d.m.Ref)
		if err != nil {
			return err
		}
		if d.whole(there) {
			return nil
		}
		if err := d.fill(ctx, there); err != nil {
			return err
		}
	}
	return fmt.Errorf("look at %q in target: data that was sent is gone, again and again: %w", d.m.Key(""), holdfast.ErrNotExist)
}

// whole reports whether all data is there, by name and size.
func (d data) whole(there map[string]holdfast.Object) bool {
	for _, s := range d.m.Streams {
		if object, here := there[s.File]; !here || object.Size != s.StoredSize {
			return false
		}
	}
	return true
}

// fill proves what is there already, and sends what is not.
func (d data) fill(ctx context.Context, there map[string]holdfast.Object) error {
	total := int64(0)
	for _, s := range d.m.Streams {
		key := d.m.Key(s.File)
		report := func(n int64) { d.Progress(d.m.Ref, total+n, d.done.Size) }
		object, here := there[s.File]
		var err error
		switch {
		case !here:
			err = d.object(ctx, d.fetcher, key, s, report)
			d.done.Sent += s.StoredSize
		case object.Size != s.StoredSize || !d.proven[s.File]:
			err = d.same(ctx, key, object, s, report)
		}
		if err != nil {
			return err
		}
		d.proven[s.File] = true
		total += s.StoredSize
	}
	return nil
}
