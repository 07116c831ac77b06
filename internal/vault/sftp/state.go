package sftp

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

const (
	// swapLimit is how long a Swap may take in all. A generation is removed once it is
	// older than three times that beside the newest, so that no Swap can make one
	// anew which others are past.
	swapLimit = 10 * time.Minute
	// abandonedAfter is the age from which on a generation that was begun in place is
	// passed over. It is judged by this machine's clock, so it is generous.
	abandonedAfter = time.Hour
)

// loaded is a document and its tag.
type loaded struct {
	body []byte
	tag  string
}

func tagOf(number uint64, body []byte) string {
	return fmt.Sprintf("%d-%x", number, sha256.Sum256(body))
}

// Load implements holdfast.Stater. The tag is the number of the generation and the
// SHA-256 of the document.
func (v *Vault) Load(ctx context.Context, key string) ([]byte, string, error) {
	l, err := v.load(ctx, key)
	return l.body, l.tag, v.wrap("load", key, err)
}

func (v *Vault) load(ctx context.Context, key string) (loaded, error) {
	if err := ctx.Err(); err != nil {
		return loaded{}, err
	}
	if checkKey(key) != nil {
		return loaded{}, holdfast.ErrNotExist
	}
	return do(ctx, v, func(o op) (loaded, error) { return o.load(key) })
}

// loadAttempts bounds how often a document is looked for whose generation was
// removed before it was read.
const loadAttempts = 10

func (o op) load(key string) (l loaded, err error) {
	for range loadAttempts {
		var g generation
		if g, err = o.find(key); err != nil {
			return loaded{}, err
		}
		if g.info.Size() > holdfast.MaxState {
			return loaded{}, fmt.Errorf("%w: more than %d bytes", holdfast.ErrCorrupt, holdfast.MaxState)
		}
		if l.body, err = o.read(g.name, g.info.Size()); err == nil {
			return loaded{l.body, tagOf(g.number, l.body)}, nil
		}
		if !errors.Is(err, holdfast.ErrNotExist) {
			return loaded{}, err
		}
	}
	return loaded{}, err
}

// Swap implements holdfast.Stater. Of two at once, one makes the next generation;
// the other finds it taken.
func (v *Vault) Swap(ctx context.Context, key string, body []byte, tag string) (string, error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	if !strings.HasPrefix(key, holdfast.StatePrefix) {
		return "", fmt.Errorf("swap %q: only what is under %s changes", key, holdfast.StatePrefix)
	}
	next, err := v.swap(ctx, key, body, tag)
	return next, v.wrap("swap", key, err)
}

func (v *Vault) swap(ctx context.Context, key string, body []byte, tag string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, swapLimit)
	defer cancel()
	present, err := v.load(ctx, key)
	if err != nil && !errors.Is(err, holdfast.ErrNotExist) {
		return "", err
	}
	if present.tag != tag {
		return "", holdfast.ErrConflict
	}
	g, err := do(ctx, v, func(o op) (generations, error) { return o.generations(key) })
	if err != nil {
		return "", err
	}
	if n := len(g.all); n > 0 && !strings.HasPrefix(tag, fmt.Sprintf("%d-", g.all[n-1].number)) {
		return "", holdfast.ErrConflict // a newer one since it was loaded
	}
	if !g.pending.IsZero() && v.o.Now().Sub(g.pending) < abandonedAfter {
		return "", holdfast.ErrConflict
	}
	number := g.taken + 1
	if err := v.makeGeneration(ctx, generationName(key, number), body); err != nil {
		return "", err
	}
	if _, err = do(ctx, v, func(o op) (none struct{}, err error) { return none, o.thin(g.all) }); err != nil {
		v.o.Log.Warn("remove old generations", "key", key, "err", err)
	}
	return tagOf(number, body), nil
}

// makeGeneration makes the file; holdfast.ErrConflict if it is there, also with the
// same bytes, unless an attempt before has made it whose answer was lost.
func (v *Vault) makeGeneration(ctx context.Context, name string, body []byte) error {
	leave, err := v.puts.enter(ctx, name)
	if err != nil {
		return err
	}
	defer leave()
	p := placing{key: name}
	_, err = do(ctx, v, func(o op) (none struct{}, err error) {
		w, err := o.way()
		if err != nil {
			return none, err
		}
		if w != inPlace {
			if err = p.write(o, body); !errors.Is(err, errInPlace) {
				return none, err
			}
		}
		return none, v.makeInPlace(o, name, body, seen{})
	})
	if errors.Is(err, fs.ErrExist) {
		return holdfast.ErrConflict
	}
	return err
}

// thin removes generations that no Swap under way can be behind of; the last of
// them stays, for whoever has just looked it up, and so do young ones.
func (o op) thin(all []generation) error {
	for _, g := range all[:max(0, len(all)-1)] {
		if all[len(all)-1].info.ModTime().Sub(g.info.ModTime()) < 3*swapLimit {
			break
		}
		if err := o.delete(g.name); err != nil {
			if forbidden(err) {
				return nil
			}
			return err
		}
	}
	return nil
}

// deleteDocument removes all generations, the newest last.
func (o op) deleteDocument(key string) error {
	entries, err := o.readDir(documentDir(key))
	if isNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range sortedByName(entries) {
		name := path.Join(documentDir(key), e.Name())
		remove := o.remove
		if e.IsDir() {
			remove = o.rmdir
		}
		if err := remove(name); err != nil {
			return err
		}
	}
	if err := o.rmdir(documentDir(key)); err != nil && !isNotExist(err) {
		return err
	}
	return nil
}
