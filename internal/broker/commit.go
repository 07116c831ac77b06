package broker

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// commit makes the backup exist. Data first, the manifest last, and each step
// only if it is not done yet: a commit that was cut off anywhere can be
// repeated to its end, and one that was done answers the same again.
func (b *Broker) commit(ctx context.Context, c *call) (any, error) {
	var req api.CommitRequest
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	u, vault, err := b.openUpload(c, req.UploadToken)
	if err != nil {
		return nil, err
	}
	m, err := checkManifest(c.principal.Key, u, vault.UploadLimits(), req)
	if err != nil {
		return nil, err
	}
	unlock, err := b.jobs.lock(ctx, u.Host, u.Job)
	if err != nil {
		return nil, err
	}
	defer unlock()
	present, err := files(ctx, vault, u.Ref)
	if err != nil {
		return nil, err
	}
	_, again := present[holdfast.ManifestFile]
	if !again {
		if err := complete(ctx, vault, u, m, present); err != nil {
			return nil, err
		}
	}
	err = vault.Put(ctx, u.ManifestKey(), req.Manifest)
	if errors.Is(err, holdfast.ErrExist) {
		r := refuseWith(http.StatusConflict, "committed already", "this backup exists with another manifest", "the backup that was committed first stays")
		r.Type = api.ProblemExists
		return nil, r
	}
	if err != nil {
		return nil, fmt.Errorf("put manifest of %s: %w", u.Ref, err)
	}
	if !again {
		b.log.Info("committed", "host", u.Host, "job", u.Job, "backup", u.ID, "size", m.StoredSize(), "request", c.id)
		b.committed(u.Ref)
	}
	return api.CommitResponse{Ref: u.Ref, Size: m.StoredSize()}, nil
}

// complete makes every stream of m an object of exactly the manifest's size.
func complete(ctx context.Context, vault PushVault, u upload, m holdfast.Manifest, present map[string]holdfast.Object) error {
	for _, stream := range m.Streams {
		if _, ok := present[stream.File]; ok {
			continue // by an earlier attempt: no other upload can have this key
		}
		s, _ := u.stream(stream.Name)
		err := vault.CompleteUpload(ctx, u.of(s), stream.Parts, stream.StoredSize)
		switch {
		case errors.Is(err, holdfast.ErrExist): // by an attempt at the same time, elsewhere
		case errors.Is(err, holdfast.ErrNotExist):
			return uploadGone(err)
		case errors.Is(err, holdfast.ErrCorrupt):
			r := manifestRefused(fmt.Errorf("stream %q: a part is missing in the vault or differs", stream.Name))
			r.cause = err
			return r
		case err != nil:
			return fmt.Errorf("complete upload of %q: %w", u.Key(s.File), err)
		}
	}
	// What the store shows counts, not what it answered.
	stored, err := files(ctx, vault, u.Ref)
	if err != nil {
		return err
	}
	for _, stream := range m.Streams {
		object, ok := stored[stream.File]
		if !ok || object.Size != stream.StoredSize {
			return manifestRefused(fmt.Errorf("stream %q: %d bytes are stored, the manifest says %d", stream.Name, object.Size, stream.StoredSize))
		}
	}
	return nil
}

// files lists what lies under a backup, by file name.
func files(ctx context.Context, vault holdfast.Lister, ref holdfast.Ref) (map[string]holdfast.Object, error) {
	found := map[string]holdfast.Object{}
	for object, err := range vault.List(ctx, ref.Key("")) {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", ref, err)
		}
		if r, file, ok := holdfast.ParseKey(object.Key); ok && r == ref {
			found[file] = object
		}
	}
	return found, nil
}
