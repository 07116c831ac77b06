package push

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-backup/holdfast"
)

// carried carries parts with this host's own credentials.
type carried struct {
	to      *Direct
	vault   DirectVault
	ref     holdfast.Ref
	uploads map[string]holdfast.Upload // by stream

	tried    bool            // to commit: what is there may be this run's own
	complete map[string]bool // streams that have become objects
}

// Part implements Carrier.
func (c *carried) Part(stream string, p holdfast.Part) func(context.Context, *Body) (string, error) {
	return func(ctx context.Context, body *Body) (string, error) {
		// Bytes that the vault has asked for are not on their way yet: over a thin
		// line it waits for long before it wants more. It watches the line itself.
		if stall := c.to.o.Stall; stall > 0 {
			var stop func()
			ctx, stop = body.Watch(ctx, stall)
			defer stop()
		}
		u := c.uploads[stream]
		_, err := await(ctx, &c.to.calls, func() (struct{}, error) { return struct{}{}, c.vault.SendPart(ctx, u, p, body) })
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("send stream %q part %d: %w", stream, p.Number, context.Cause(ctx))
		}
		return "", c.to.judged(err)
	}
}

// Commit implements Carrier. Data first, then a look at what is stored, then the
// manifest.
func (c *carried) Commit(ctx context.Context, m holdfast.Manifest, signed []byte, _ map[string][]string) error {
	return c.to.judged(c.commit(ctx, m, signed))
}

func (c *carried) commit(ctx context.Context, m holdfast.Manifest, signed []byte) error {
	again := c.tried
	c.tried = true
	for _, s := range m.Streams {
		if c.complete[s.Name] {
			continue
		}
		u := c.uploads[s.Name]
		err := c.to.calls.tell(ctx, func(ctx context.Context) error { return c.vault.CompleteUpload(ctx, u, s.Parts, s.StoredSize) })
		// The first attempt may have got further than its answer.
		switch {
		case errors.Is(err, holdfast.ErrExist) && again:
		case errors.Is(err, holdfast.ErrExist):
			return &finalError{err}
		case err != nil:
			return err
		}
		c.complete[s.Name] = true
	}
	if err := c.checkSizes(ctx, m); err != nil {
		return err
	}
	return c.to.calls.tell(ctx, func(ctx context.Context) error { return c.vault.Put(ctx, c.ref.ManifestKey(), signed) })
}

// checkSizes returns an error unless the vault shows every stream whole: what it
// shows counts, not what it answered.
func (c *carried) checkSizes(ctx context.Context, m holdfast.Manifest) error {
	stored, err := ask(ctx, &c.to.calls, c.sizes)
	if err != nil {
		return err
	}
	for _, s := range m.Streams {
		if size, ok := stored[c.ref.Key(s.File)]; !ok || size != s.StoredSize {
			return fmt.Errorf("stream %q: %w: %d bytes are stored, %d were sent", s.Name, holdfast.ErrCorrupt, size, s.StoredSize)
		}
	}
	return nil
}

// sizes returns those of the objects of the backup that the vault shows, by key.
func (c *carried) sizes(ctx context.Context) (map[string]int64, error) {
	stored := map[string]int64{}
	for object, err := range c.vault.List(ctx, c.ref.Key("")) {
		if err != nil {
			return nil, err
		}
		stored[object.Key] = object.Size
	}
	return stored, nil
}

// Abort implements Carrier. A stream that was completed stays, without a
// manifest, for the sweep.
func (c *carried) Abort(ctx context.Context, _ string) error {
	var errs []error
	for _, u := range c.uploads {
		errs = append(errs, c.to.calls.tell(ctx, func(ctx context.Context) error { return c.vault.AbortUpload(ctx, u) }))
	}
	return errors.Join(errs...)
}
