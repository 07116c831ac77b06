package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

func readChecks() []Check {
	return []Check{
		check("open-range", "Open returns exactly the bytes asked for.", openRange),
		check("open-absent", "Open of what is not there is ErrNotExist.", openAbsent),
	}
}

func openRange(ctx context.Context, s *scratch) error {
	body := []byte("0123456789")
	key := s.prefix + "digits"
	if err := s.Vault.Put(ctx, key, body); err != nil {
		return err
	}
	for _, c := range []struct {
		offset, n int64
		want      string
	}{{0, -1, "0123456789"}, {4, -1, "456789"}, {0, 3, "012"}, {4, 3, "456"}, {9, 1, "9"}, {0, 10, "0123456789"}} {
		got, err := s.read(ctx, key, c.offset, c.n)
		if err != nil {
			return err
		}
		if string(got) != c.want {
			return fmt.Errorf("open %q from %d, %d bytes: got %q, want %q", key, c.offset, c.n, got, c.want)
		}
	}
	return nil
}

func openAbsent(ctx context.Context, s *scratch) error {
	if err := s.put(ctx, s.prefix+"dir/object"); err != nil {
		return err
	}
	for _, name := range []string{"none", "dir", "dir/objec", "dir/object/below"} {
		if err := s.absent(ctx, s.prefix+name); err != nil {
			return err
		}
	}
	return nil
}

func putChecks() []Check {
	return []Check{
		check("put", "What is put is read back byte for byte.", put),
		check("put-again", "Putting the same bytes again is harmless.", putAgain),
		check("put-other", "Putting other bytes is ErrExist and changes nothing.", putOther),
		check("put-concurrent", "Of several puts of one key at once exactly one succeeds, whole.", putConcurrent),
	}
}

func put(ctx context.Context, s *scratch) error {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, body := range map[string][]byte{"bytes": all, "large": bytes.Repeat(all, 1<<10), "empty": {}} {
		if err := s.Vault.Put(ctx, s.prefix+name, body); err != nil {
			return err
		}
		if err := s.holds(ctx, s.prefix+name, body); err != nil {
			return err
		}
	}
	return nil
}

func putAgain(ctx context.Context, s *scratch) error {
	key := s.prefix + "object"
	for range 2 {
		if err := s.put(ctx, key); err != nil {
			return err
		}
	}
	return s.holds(ctx, key, []byte(key))
}

func putOther(ctx context.Context, s *scratch) error {
	key, body := s.prefix+"object", []byte("the first")
	if err := s.Vault.Put(ctx, key, body); err != nil {
		return err
	}
	for _, other := range []string{"the other", "the first and more", "the", ""} {
		err := s.Vault.Put(ctx, key, []byte(other))
		if err := wants("put other bytes", err, holdfast.ErrExist); err != nil {
			return err
		}
		if err := s.holds(ctx, key, body); err != nil {
			return err
		}
	}
	return nil
}

func putConcurrent(ctx context.Context, s *scratch) error {
	key := s.prefix + "object"
	body := func(i int) []byte { return bytes.Repeat([]byte{'a' + byte(i)}, 64<<10) }
	errs := together(8, func(i int) error { return s.Vault.Put(ctx, key, body(i)) })
	winner, err := oneWins("put at once", errs, holdfast.ErrExist)
	if err != nil {
		return err
	}
	return s.holds(ctx, key, body(winner))
}

func deleteChecks() []Check {
	return []Check{
		check("delete", "What is deleted is gone, and nothing else is; the key is free again.", deleted),
		check("delete-absent", "Deleting what is not there is no error.", deleteAbsent),
		check("delete-batch", "Deleting many at once deletes exactly those, and says of each what became of it.", deleteBatch),
		check("delete-locked", "Deleting what is locked is ErrLocked and leaves it as it was.", deleteLocked),
	}
}

func deleted(ctx context.Context, s *scratch) error {
	rest := s.keys("a-b", "a/b/c", "a/bb", "b")
	if err := s.put(ctx, append(rest, s.keys("a/b/d", "d/only")...)...); err != nil {
		return err
	}
	for _, key := range s.keys("a/b/d", "d/only") {
		if err := s.Vault.Delete(ctx, key); err != nil {
			return err
		}
		if err := s.absent(ctx, key); err != nil {
			return err
		}
	}
	if err := s.listed(ctx, s.prefix, rest...); err != nil {
		return err
	}
	key := s.prefix + "d/only"
	if err := s.Vault.Put(ctx, key, []byte("anew")); err != nil {
		return err
	}
	return s.holds(ctx, key, []byte("anew"))
}

func deleteAbsent(ctx context.Context, s *scratch) error {
	key := s.prefix + "dir/object"
	if err := s.put(ctx, key); err != nil {
		return err
	}
	for _, name := range []string{"none", "none/at/all", "dir", "dir/objec"} {
		if err := s.Vault.Delete(ctx, s.prefix+name); err != nil {
			return err
		}
	}
	if err := s.holds(ctx, key, []byte(key)); err != nil {
		return err
	}
	for range 2 {
		if err := s.Vault.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// batchDeleter is what a vault may have beside the contract: DeleteBatch returns
// for each key what Delete would.
type batchDeleter interface {
	DeleteBatch(ctx context.Context, keys []string) []error
}

// deleteAll deletes the keys at once where the vault can, else one by one.
func (s *scratch) deleteAll(ctx context.Context, keys []string) []error {
	if b, ok := s.Vault.(batchDeleter); ok {
		return b.DeleteBatch(ctx, keys)
	}
	errs := make([]error, len(keys))
	for i, key := range keys {
		errs[i] = s.Vault.Delete(ctx, key)
	}
	return errs
}

func deleteBatch(ctx context.Context, s *scratch) error {
	rest := s.keys("a-0", "a/1-x", "a/10", "a/3", "b/z", "c/d/f")
	doomed := s.keys("c/d/e", "a/1", "none", "b/", "a/2", "a/1", "c/d")
	if err := s.put(ctx, append(rest, s.keys("a/1", "a/2", "c/d/e")...)...); err != nil {
		return err
	}
	for range 2 {
		errs := s.deleteAll(ctx, doomed)
		if len(errs) != len(doomed) {
			return fmt.Errorf("delete %d keys: got %d results", len(doomed), len(errs))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if err := s.listed(ctx, s.prefix, rest...); err != nil {
			return err
		}
	}
	if errs := s.deleteAll(ctx, nil); len(errs) > 0 {
		return fmt.Errorf("delete nothing: got %d results", len(errs))
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for i, err := range s.deleteAll(ended, rest) {
		if err := wants("delete "+rest[i]+" after the context has ended", err, context.Canceled); err != nil {
			return err
		}
	}
	return s.listed(ctx, s.prefix, rest...)
}

func deleteLocked(ctx context.Context, s *scratch) error {
	if s.Lock == nil || s.Advance == nil {
		return fmt.Errorf("needs locks and a clock that can be moved: %w", ErrNotRunnable)
	}
	key := s.prefix + "object"
	if err := s.put(ctx, key); err != nil {
		return err
	}
	if err := s.Lock(ctx, key, time.Hour); err != nil {
		return err
	}
	early := s.Vault.Delete(ctx, key)
	kept := s.holds(ctx, key, []byte(key))
	// Before anything is judged, so that the lock is over when the check cleans up.
	if err := s.advance(ctx, 2*time.Hour); err != nil {
		return err
	}
	if err := wants("delete what is locked", early, holdfast.ErrLocked); err != nil {
		return err
	}
	if kept != nil {
		return kept
	}
	if err := s.Vault.Delete(ctx, key); err != nil {
		return fmt.Errorf("after the lock: %w", err)
	}
	return s.absent(ctx, key)
}
