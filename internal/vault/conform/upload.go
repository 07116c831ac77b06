package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-backup/holdfast"
)

func uploadChecks() []Check {
	return []Check{
		check("upload-limits", "The limits are usable and do not change.", uploadLimits),
		check("upload-invisible", "Nothing is visible under the key before the upload is complete.", uploadInvisible),
		check("upload-parts", "Parts may be sent in any order and at once, and make one object.", uploadParts),
		check("upload-list", "ListUploads shows exactly the unfinished uploads under the prefix.", uploadList),
		check("abort", "Abort discards the upload: nothing can be sent or completed after it.", abort),
		check("abort-absent", "Aborting what is not there is no error and changes nothing.", abortAbsent),
	}
}

func uploadLimits(_ context.Context, s *scratch) error {
	limits := s.Vault.UploadLimits()
	if limits.MaxParts < 1 || limits.MaxParts > holdfast.MaxParts {
		return fmt.Errorf("upload limits: %d parts, want 1 to %d", limits.MaxParts, holdfast.MaxParts)
	}
	if limits.Checksum != holdfast.ChecksumSHA256 && limits.Checksum != holdfast.ChecksumMD5 {
		return fmt.Errorf("upload limits: unknown checksum %q", limits.Checksum)
	}
	if again := s.Vault.UploadLimits(); again != limits {
		return fmt.Errorf("upload limits: %v at first, then %v", limits, again)
	}
	return nil
}

func uploadInvisible(ctx context.Context, s *scratch) error {
	key, body := s.prefix+"object", []byte("a body")
	u, err := s.Vault.StartUpload(ctx, key)
	if err != nil {
		return err
	}
	if err := s.absent(ctx, key); err != nil {
		return err
	}
	p, err := s.sendPart(ctx, u, 1, body)
	if err != nil {
		return err
	}
	if err := s.absent(ctx, key); err != nil {
		return err
	}
	if err := s.listed(ctx, s.prefix); err != nil {
		return err
	}
	if err := s.Vault.CompleteUpload(ctx, u, []holdfast.Part{p}, p.Size); err != nil {
		return err
	}
	return s.holds(ctx, key, body)
}

func uploadParts(ctx context.Context, s *scratch) error {
	key, count := s.prefix+"object", 4
	maxParts := s.Vault.UploadLimits().MaxParts
	var whole []byte
	bodies := make([][]byte, count)
	for i := range bodies {
		n := int(holdfast.PartSize(i+1, maxParts))
		if i == count-1 {
			n = 12345
		}
		bodies[i] = bytes.Repeat([]byte(fmt.Sprintf("part %d, ", i+1)), n/8+1)[:n]
		whole = append(whole, bodies[i]...)
	}
	u, err := s.Vault.StartUpload(ctx, key)
	if err != nil {
		return err
	}
	parts := make([]holdfast.Part, count)
	send := func(i int) (err error) {
		parts[i], err = s.sendPart(ctx, u, i+1, bodies[i])
		return err
	}
	// The last first, the others at once.
	if err := send(count - 1); err != nil {
		return err
	}
	if err := errors.Join(together(count-1, send)...); err != nil {
		return err
	}
	if err := s.Vault.CompleteUpload(ctx, u, parts, int64(len(whole))); err != nil {
		return err
	}
	return s.holds(ctx, key, whole)
}

// unfinished returns what ListUploads shows under prefix, by key.
func (s *scratch) unfinished(ctx context.Context, prefix string) (map[string]holdfast.Upload, error) {
	all := map[string]holdfast.Upload{}
	for u, err := range s.Vault.ListUploads(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		all[u.Key] = u
	}
	return all, nil
}

func uploadList(ctx context.Context, s *scratch) error {
	uploads := map[string]holdfast.Upload{}
	for _, key := range s.keys("a/aborted", "a/completed", "a/open", "ab/open", "b/open") {
		u, parts, err := s.begin(ctx, key, []byte(key))
		if err != nil {
			return err
		}
		switch key {
		case s.prefix + "a/aborted":
			err = s.Vault.AbortUpload(ctx, u)
		case s.prefix + "a/completed":
			err = s.Vault.CompleteUpload(ctx, u, parts, int64(len(key)))
		}
		if err != nil {
			return err
		}
		uploads[key] = u
	}
	for prefix, names := range map[string][]string{"": {"a/open", "ab/open", "b/open"}, "a/": {"a/open"}, "a": {"a/open", "ab/open"}, "c": nil} {
		got, err := s.unfinished(ctx, s.prefix+prefix)
		if err != nil {
			return err
		}
		if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, s.keys(names...)) {
			return fmt.Errorf("list uploads of %q: got %q, want %q", s.prefix+prefix, keys, s.keys(names...))
		}
		for key, u := range got {
			if u.ID != uploads[key].ID || u.Started.IsZero() {
				return fmt.Errorf("list uploads of %q: got %+v, want upload %q and when it was started", s.prefix+prefix, u, uploads[key].ID)
			}
		}
	}
	return nil
}

func abort(ctx context.Context, s *scratch) error {
	key, body := s.prefix+"object", []byte("a body")
	u, parts, err := s.begin(ctx, key, body)
	if err != nil {
		return err
	}
	again, unsigned := s.sign(ctx, u, 1, body)
	if unsigned != nil && !errors.Is(unsigned, ErrNotRunnable) {
		return unsigned
	}
	if err := s.Vault.AbortUpload(ctx, u); err != nil {
		return err
	}
	if unsigned == nil {
		if err := s.refused(ctx, "send a part of an aborted upload", again, body); err != nil {
			return err
		}
	}
	err = s.Vault.CompleteUpload(ctx, u, parts, int64(len(body)))
	if err := wants("complete an aborted upload", err, holdfast.ErrNotExist); err != nil {
		return err
	}
	left, err := s.unfinished(ctx, s.prefix)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("list uploads: %v is still there after it was aborted", left)
	}
	return s.absent(ctx, key)
}

func abortAbsent(ctx context.Context, s *scratch) error {
	key, body := s.prefix+"object", []byte("a body")
	u, err := s.upload(ctx, key, body)
	if err != nil {
		return err
	}
	other, err := s.Vault.StartUpload(ctx, s.prefix+"other")
	if err != nil {
		return err
	}
	if err := s.Vault.AbortUpload(ctx, other); err != nil {
		return err
	}
	for _, gone := range []holdfast.Upload{u, other} {
		if err := s.Vault.AbortUpload(ctx, gone); err != nil {
			return err
		}
	}
	return s.holds(ctx, key, body)
}
