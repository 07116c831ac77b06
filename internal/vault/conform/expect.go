package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/holdfast-backup/holdfast"
)

// keys returns the names as keys of the check.
func (s *scratch) keys(names ...string) []string {
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = s.prefix + name
	}
	return keys
}

// put stores an object of every key, its body being the key.
func (s *scratch) put(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := s.Vault.Put(ctx, key, []byte(key)); err != nil {
			return err
		}
	}
	return nil
}

// list returns the objects under prefix.
func (s *scratch) list(ctx context.Context, prefix string) ([]holdfast.Object, error) {
	var all []holdfast.Object
	for o, err := range s.Vault.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// listed returns an error unless List(prefix) yields exactly the keys, in order.
func (s *scratch) listed(ctx context.Context, prefix string, want ...string) error {
	objects, err := s.list(ctx, prefix)
	if err != nil {
		return err
	}
	var got []string
	for _, o := range objects {
		got = append(got, o.Key)
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			return fmt.Errorf("list %q: got %d keys, from the %dth on %s, want %d, %s",
				prefix, len(got), i+1, some(got[min(i, len(got)):]), len(want), some(want[min(i, len(want)):]))
		}
	}
	return nil
}

// some returns the first few keys as a text.
func some(keys []string) string {
	if len(keys) > 3 {
		return fmt.Sprintf("%q…", keys[:3])
	}
	return fmt.Sprintf("%q", keys)
}

// read returns a piece of the object.
func (s *scratch) read(ctx context.Context, key string, offset, n int64) ([]byte, error) {
	r, err := s.Vault.Open(ctx, key, offset, n)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r)
	return body, errors.Join(err, r.Close())
}

// holds returns an error unless the object has exactly this body, read and listed.
func (s *scratch) holds(ctx context.Context, key string, want []byte) error {
	got, err := s.read(ctx, key, 0, -1)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("open %q: got %s, want %s", key, show(got), show(want))
	}
	for o, err := range s.Vault.List(ctx, key) {
		if err != nil {
			return err
		}
		if o.Key != key {
			break
		}
		if o.Size != int64(len(want)) {
			return fmt.Errorf("list %q: size %d, want %d", key, o.Size, len(want))
		}
		return nil
	}
	return fmt.Errorf("list %q: it is not shown", key)
}

// absent returns an error unless neither Open nor List know the object.
func (s *scratch) absent(ctx context.Context, key string) error {
	r, err := s.Vault.Open(ctx, key, 0, -1)
	if err == nil {
		r.Close()
	}
	if err := wants("open "+key, err, holdfast.ErrNotExist); err != nil {
		return err
	}
	for o, err := range s.Vault.List(ctx, key) {
		if err != nil {
			return err
		}
		if o.Key == key {
			return fmt.Errorf("list %q: it is shown, and should not be there", key)
		}
	}
	return nil
}

// wants returns an error unless got is want.
func wants(doing string, got, want error) error {
	if !errors.Is(got, want) {
		return fmt.Errorf("%s: got error %v, want %v", doing, got, want)
	}
	return nil
}

// show returns body as a text short enough for a message.
func show(body []byte) string {
	if len(body) > 40 {
		return fmt.Sprintf("%q… (%d bytes)", body[:40], len(body))
	}
	return fmt.Sprintf("%q", body)
}

// together calls f(0) … f(n-1) at once and returns their errors.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errs
}

// oneWins returns which of errs is nil, or an error unless one is and all others
// are other.
func oneWins(doing string, errs []error, other error) (winner int, err error) {
	winner = -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			return 0, fmt.Errorf("%s: more than one succeeded", doing)
		case err == nil:
			winner = i
		case !errors.Is(err, other):
			return 0, fmt.Errorf("%s: got error %v, want %v", doing, err, other)
		}
	}
	if winner < 0 {
		return 0, fmt.Errorf("%s: none succeeded", doing)
	}
	return winner, nil
}
