package broker

import (
	"bytes"
	"context"
	"encoding/json"
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
	u, vault, err := b.openCommit(c)
	if err != nil {
		return nil, err
	}
	req, m, err := b.readCommit(ctx, c, u, vault.UploadLimits())
	if err != nil {
		return nil, err
	}
	if err := c.move(ctx, completing); err != nil {
		return nil, err
	}
	unlock, err := b.jobs.lock(ctx, u.Vault, u.Host, u.Job)
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
		b.log.Info("committed", "host", u.Host, "job", u.Job, "backup", u.ID, "vault", u.Vault, "size", m.StoredSize(), "request", c.id)
		b.committed(u.Vault, u.Ref)
	}
	return api.CommitResponse{Ref: u.Ref, Size: m.StoredSize()}, nil
}

// skipped is a value that is not looked at.
type skipped struct{}

// UnmarshalJSON implements json.Unmarshaler.
func (*skipped) UnmarshalJSON([]byte) error { return nil }

// openCommit returns the upload that the body is about, and takes memory for
// nothing else in it: until its token is open, it is anybody's.
func (b *Broker) openCommit(c *call) (upload, PushVault, error) {
	var first struct {
		UploadToken string  `json:"upload_token"`
		Manifest    skipped `json:"manifest"`
		ETags       skipped `json:"etags"`
	}
	if err := json.Unmarshal(c.body, &first); err != nil {
		return upload{}, nil, invalid(fmt.Errorf("body: %v", err))
	}
	return b.openUpload(c, first.UploadToken)
}

// maxCommitValues is how many values the body of a commit can have: the etags,
// and what is around them.
const maxCommitValues = holdfast.MaxStreams*holdfast.MaxParts + 2*holdfast.MaxStreams

// readCommit decodes the body, lets go of it, and checks the manifest. Few do so
// at a time, because that takes several times the memory that the body did.
func (b *Broker) readCommit(ctx context.Context, c *call, u upload, limits holdfast.UploadLimits) (api.CommitRequest, holdfast.Manifest, error) {
	var req api.CommitRequest
	select {
	case b.decoding <- struct{}{}:
		defer func() { <-b.decoding }()
	case <-ctx.Done():
		return req, holdfast.Manifest{}, ctx.Err()
	}
	if bytes.Count(c.body, []byte{','}) >= maxCommitValues {
		return req, holdfast.Manifest{}, invalid(fmt.Errorf("body: more than %d values", maxCommitValues))
	}
	var fields map[string]skipped
	if err := errors.Join(json.Unmarshal(c.body, &fields), json.Unmarshal(c.body, &req)); err != nil {
		return req, holdfast.Manifest{}, invalid(fmt.Errorf("body: %v", err))
	}
	for name := range fields {
		if name != "upload_token" && name != "manifest" && name != "etags" {
			return req, holdfast.Manifest{}, invalid(fmt.Errorf("body: unknown field %.64q", name))
		}
	}
	c.body = nil
	m, err := checkManifest(c.principal.Key, u, limits, req)
	return req, m, err
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
