package rounds

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/status"
)

// showing is the page of one vault, as it was last written there. Only last may be
// read while a round goes on.
type showing struct {
	last     atomic.Pointer[status.Vault] // nil before the first
	recalled bool
	tags     map[string]string // by key
	sum      [sha256.Size]byte // of what the page says, but for when
	written  time.Time
}

// rewrite is how old a page becomes that nothing has changed of: each version of it
// is paid for.
const rewrite = 15 * time.Minute

// showTries is how often a page is written against other writers of it.
const showTries = 4

// recall loads the last status that was written, once: it holds what the vault
// had stored on earlier days. One that cannot be read is begun anew.
func (s *showing) recall(ctx context.Context, vault holdfast.Stater) {
	if s.recalled {
		return
	}
	body, tag, err := vault.Load(ctx, status.JSONKey)
	if err != nil && !errors.Is(err, holdfast.ErrNotExist) {
		return // perhaps the next round can
	}
	s.recalled, s.tags = true, map[string]string{status.JSONKey: tag}
	if before, err := status.ReadJSON(bytes.NewReader(body)); err == nil && len(before.Vaults) == 1 {
		s.last.Store(&before.Vaults[0])
	}
}

// page writes the page and its JSON, unless what lies there says the same.
func (s *showing) page(ctx context.Context, vault holdfast.Stater, now status.Status) error {
	if !s.recalled {
		return errors.New("write status page: the vault can't be reached")
	}
	sum, err := sumOf(now)
	if err != nil {
		return err
	}
	if sum == s.sum && now.At.Sub(s.written).Abs() < rewrite {
		return nil
	}
	if err := s.write(ctx, vault, status.JSONKey, func(w io.Writer) error { return status.WriteJSON(w, now) }); err != nil {
		return err
	}
	if err := s.write(ctx, vault, status.PageKey, func(w io.Writer) error { return status.HTML(w, now, status.Options{}) }); err != nil {
		return err
	}
	s.sum, s.written = sum, now.At
	return nil
}

// sumOf returns the hash of what a status says, but for when it does.
func sumOf(s status.Status) ([sha256.Size]byte, error) {
	v := s.Vaults[0]
	s.At, v.At = time.Time{}, time.Time{}
	if n := len(v.Past); n > 0 { // the last total is that of now
		v.Past = v.Past[:n-1]
	}
	s.Vaults = []status.Vault{v}
	var b bytes.Buffer
	err := status.WriteJSON(&b, s)
	return sha256.Sum256(b.Bytes()), err
}

func (s *showing) write(ctx context.Context, vault holdfast.Stater, key string, render func(io.Writer) error) error {
	var body bytes.Buffer
	if err := render(&body); err != nil {
		return fmt.Errorf("write %q: %w", key, err)
	}
	var err error
	for range showTries {
		tag, known := s.tags[key]
		if !known {
			if _, tag, err = vault.Load(ctx, key); err != nil && !errors.Is(err, holdfast.ErrNotExist) {
				return err
			}
		}
		if tag, err = vault.Swap(ctx, key, body.Bytes(), tag); err == nil {
			s.tags[key] = tag
			return nil
		}
		delete(s.tags, key)
		if !errors.Is(err, holdfast.ErrConflict) {
			break
		}
	}
	return fmt.Errorf("write %q: %w", key, err)
}
