package fill

import (
	"context"
	"fmt"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/retention"
)

// look returns what the target has under a key.
func (c *copier) look(ctx context.Context, key string) (object holdfast.Object, there bool, err error) {
	for o, err := range c.to.List(ctx, key) {
		if err != nil {
			return object, false, fmt.Errorf("list target: %w", err)
		}
		if o.Key == key {
			return o, true, nil
		}
	}
	return object, false, nil
}

// unfinished returns the uploads of the key that the target has already; none where
// it cannot say, or may not be asked.
func (c *copier) unfinished(ctx context.Context, key string) []holdfast.Upload {
	lister, ok := c.to.(holdfast.UploadLister)
	if !ok {
		return nil
	}
	var found []holdfast.Upload
	for u, err := range lister.ListUploads(ctx, key) {
		if err != nil {
			return nil
		}
		if u.Key == key {
			found = append(found, u)
		}
	}
	return found
}

// overtake discards uploads that were there before this copy began its own of the same
// key, and returns how many it has left. In B2 only the one that began first becomes
// the object, so what a copy that was killed has left would stand in the way until the
// sweep.
//
// It is called when all of the object has been sent. Whoever began before that, to send
// the same bytes, and has not finished, was cut off or is a slower copy: that one finds
// the whole object instead. So no clock has to be trusted, no lock is needed, and two
// copies cannot hinder each other for ever. Only what may be a host's own upload is
// left: the broker takes it until some time after the id.
func (c *copier) overtake(ctx context.Context, earlier []holdfast.Upload) (left int) {
	for _, u := range earlier {
		ref, _, _ := holdfast.ParseKey(u.Key)
		young := ref.ID.Time().After(c.Now().Add(-retention.OrphanAge))
		if young && c.HostSends(ref.Host, ref.Job) || c.to.AbortUpload(ctx, u) != nil {
			left++ // if it matters, completing fails
		}
	}
	return left
}
