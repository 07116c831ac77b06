package conform

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/holdfast-backup/holdfast"
)

func stateChecks() []Check {
	return []Check{
		check("state", "A document is loaded as it was swapped in, with the tag that Swap returned.", stateRoundTrip),
		check("state-absent", "Loading what is not there is ErrNotExist.", stateAbsent),
		check("state-conflict", "Swapping with another tag than the present one is ErrConflict and changes nothing.", stateConflict),
		check("state-concurrent", "Several writers at once lose nothing.", stateConcurrent),
	}
}

// loads returns an error unless Load returns the body and tag.
func (s *scratch) loads(ctx context.Context, key, body, tag string) error {
	got, present, err := s.Vault.Load(ctx, key)
	if err != nil {
		return err
	}
	if string(got) != body || present != tag {
		return fmt.Errorf("load %q: got %q with tag %q, want %q with tag %q", key, got, present, body, tag)
	}
	return nil
}

func stateRoundTrip(ctx context.Context, s *scratch) error {
	key, tag := s.state+"document", ""
	for _, body := range []string{"one", "two, longer", "3", ""} {
		next, err := s.Vault.Swap(ctx, key, []byte(body), tag)
		if err != nil {
			return err
		}
		if next == "" || next == tag {
			return fmt.Errorf("swap %q: tag %q after %q says nothing", key, next, tag)
		}
		tag = next
		if err := s.loads(ctx, key, body, tag); err != nil {
			return err
		}
	}
	return nil
}

func stateAbsent(ctx context.Context, s *scratch) error {
	if _, err := s.Vault.Swap(ctx, s.state+"dir/document", []byte("x"), ""); err != nil {
		return err
	}
	for _, name := range []string{"none", "dir", "dir/documen"} {
		_, _, err := s.Vault.Load(ctx, s.state+name)
		if err := wants("load "+name, err, holdfast.ErrNotExist); err != nil {
			return err
		}
	}
	return nil
}

func stateConflict(ctx context.Context, s *scratch) error {
	key := s.state + "document"
	_, err := s.Vault.Swap(ctx, key, []byte("x"), "0123456789abcdef")
	if err := wants("swap what is not there with a tag", err, holdfast.ErrConflict); err != nil {
		return err
	}
	old, err := s.Vault.Swap(ctx, key, []byte("one"), "")
	if err != nil {
		return err
	}
	tag, err := s.Vault.Swap(ctx, key, []byte("two"), old)
	if err != nil {
		return err
	}
	for doing, wrong := range map[string]string{"swap with the tag before": old, "make what is there": ""} {
		_, err := s.Vault.Swap(ctx, key, []byte("three"), wrong)
		if err := wants(doing, err, holdfast.ErrConflict); err != nil {
			return err
		}
		if err := s.loads(ctx, key, "two", tag); err != nil {
			return err
		}
	}
	return nil
}

func stateConcurrent(ctx context.Context, s *scratch) error {
	const writers, rounds = 6, 5
	key := s.state + "counter"
	errs := together(writers, func(int) error {
		for range rounds {
			if err := s.increment(ctx, key); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	body, _, err := s.Vault.Load(ctx, key)
	if err != nil {
		return err
	}
	if string(body) != strconv.Itoa(writers*rounds) {
		return fmt.Errorf("%d writers adding one %d times: got %s", writers, rounds, body)
	}
	return nil
}

// increment adds one to a number in a document, as often as others get ahead.
func (s *scratch) increment(ctx context.Context, key string) error {
	const attempts = 1000
	for range attempts {
		body, tag, err := s.Vault.Load(ctx, key)
		if err != nil && !errors.Is(err, holdfast.ErrNotExist) {
			return err
		}
		n, _ := strconv.Atoi(string(body))
		_, err = s.Vault.Swap(ctx, key, strconv.AppendInt(nil, int64(n+1), 10), tag)
		if !errors.Is(err, holdfast.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("swap %q: always a conflict", key)
}
