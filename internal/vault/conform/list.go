package conform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// manyObjects is more than a page of any store's listing holds.
const manyObjects = 1100

func listChecks() []Check {
	return []Check{
		check("list-order", "A listing is in ascending byte order of full keys.", listOrder),
		check("list-prefix", "A prefix selects by bytes, not by directories.", listPrefix),
		check("list-everything", "The empty prefix lists everything, in order.", listEverything),
		check("list-nothing", "A prefix under which nothing lies lists nothing, without an error.", listNothing),
		check("list-at-once", "An object is listed as soon as it is stored, with its size and a UTC time.", listAtOnce),
		check("list-many", "More objects than a page holds are each listed once.", listMany),
	}
}

// unordered are names that sort differently by directories, by case or by words.
var unordered = []string{"b", "a/z", "a-b/c", "a.b", "a/b/c", "a0", "B", "a_b", "a/b-c", "a-b/b/a", "a1", "a10", "a2", "Z/a"}

func listOrder(ctx context.Context, s *scratch) error {
	keys := s.keys(unordered...)
	if err := s.put(ctx, keys...); err != nil {
		return err
	}
	slices.Sort(keys)
	return s.listed(ctx, s.prefix, keys...)
}

func listPrefix(ctx context.Context, s *scratch) error {
	if err := s.put(ctx, s.keys("job/x", "job-1/x", "job-1/y", "jo", "other/job/x")...); err != nil {
		return err
	}
	for _, c := range []struct {
		prefix string
		want   []string
	}{
		{"jo", []string{"jo", "job-1/x", "job-1/y", "job/x"}},
		{"job", []string{"job-1/x", "job-1/y", "job/x"}},
		{"job/", []string{"job/x"}},
		{"job-1/y", []string{"job-1/y"}},
		{"o", []string{"other/job/x"}},
	} {
		if err := s.listed(ctx, s.prefix+c.prefix, s.keys(c.want...)...); err != nil {
			return err
		}
	}
	return nil
}

func listEverything(ctx context.Context, s *scratch) error {
	want := s.keys("a", "b/c")
	if err := s.put(ctx, want...); err != nil {
		return err
	}
	var got []string
	last := ""
	for o, err := range s.Vault.List(ctx, "") {
		if err != nil {
			return err
		}
		if o.Key <= last {
			return fmt.Errorf("list %q: %q comes after %q", "", o.Key, last)
		}
		last = o.Key
		if strings.HasPrefix(o.Key, s.prefix) {
			got = append(got, o.Key)
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("list %q: got %q among the rest, want %q", "", got, want)
	}
	return nil
}

func listNothing(ctx context.Context, s *scratch) error {
	if err := s.put(ctx, s.keys("job/x")...); err != nil {
		return err
	}
	for _, name := range []string{"none", "job/x/", "job/y", "job//", "none/at/all"} {
		if err := s.listed(ctx, s.prefix+name); err != nil {
			return err
		}
	}
	return nil
}

func listAtOnce(ctx context.Context, s *scratch) error {
	key := s.prefix + "uploaded"
	if err := s.put(ctx, s.prefix+"put"); err != nil {
		return err
	}
	if _, err := s.upload(ctx, key, []byte("a body")); err != nil {
		return err
	}
	objects, err := s.list(ctx, s.prefix)
	if err != nil {
		return err
	}
	want := map[string]int64{s.prefix + "put": int64(len(s.prefix + "put")), key: 6}
	if len(objects) != len(want) {
		return fmt.Errorf("list %q: got %d objects, want %d", s.prefix, len(objects), len(want))
	}
	for _, o := range objects {
		if o.Size != want[o.Key] {
			return fmt.Errorf("list %q: size of %q is %d, want %d", s.prefix, o.Key, o.Size, want[o.Key])
		}
		if o.ModTime.IsZero() || o.ModTime.Location() != time.UTC {
			return fmt.Errorf("list %q: time of %q is %v, want one in UTC", s.prefix, o.Key, o.ModTime)
		}
	}
	return nil
}

func listMany(ctx context.Context, s *scratch) error {
	names := make([]string, manyObjects)
	for i := range names {
		names[i] = fmt.Sprintf("%02d/%04d", i%7, i)
	}
	keys := s.keys(names...)
	const senders = 16
	errs := together(senders, func(from int) error {
		for i := from; i < len(keys); i += senders {
			if err := s.put(ctx, keys[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	slices.Sort(keys)
	return s.listed(ctx, s.prefix, keys...)
}
