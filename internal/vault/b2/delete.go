package b2

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-backup/holdfast"
)

// concurrency is how many requests of one call are under way at once.
const concurrency = 8

// Delete implements holdfast.Deleter. It never lifts a lock, whatever its key may.
func (v *Vault) Delete(ctx context.Context, key string) error {
	return v.DeleteBatch(ctx, []string{key})[0]
}

// DeleteBatch deletes each of the keys as Delete does and returns an error or nil for
// each, in their order. Keys that lie close together, as those of a job's backups do,
// take one request for 1,000 listed versions, and one for each that is deleted: B2
// has no deletion of many at once, and charges nothing for these.
func (v *Vault) DeleteBatch(ctx context.Context, keys []string) []error {
	errs := make([]error, len(keys))
	wanted := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(keys))), func(key string) bool { return v.checkKey(key) != nil })
	if len(wanted) == 0 {
		return errs
	}
	found, err := v.ofEach(ctx, wanted)
	if err != nil {
		for i, key := range keys {
			errs[i] = doing(ctx, "delete", key, err)
		}
		return errs
	}
	failed := make([]error, len(wanted))
	var group errgroup.Group
	group.SetLimit(concurrency)
	for i, key := range wanted {
		group.Go(func() error {
			failed[i] = v.deleteVersions(ctx, found[key])
			return nil
		})
	}
	_ = group.Wait()
	for i, key := range keys {
		if at, ok := slices.BinarySearch(wanted, key); ok {
			errs[i] = doing(ctx, "delete", key, failed[at])
		}
	}
	return errs
}

// deleteVersions deletes all versions and markers of one key, the newest first, so
// that the object stays what it is until it goes itself, and stays if one of them is
// locked. Unfinished large files are no versions.
func (v *Vault) deleteVersions(ctx context.Context, of []version) error {
	for _, one := range of {
		if one.action == actionStart {
			continue
		}
		if err := v.deleteVersion(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

func (v *Vault) deleteVersion(ctx context.Context, one version) error {
	err := v.do(ctx, call{"b2_delete_file_version", "deleteFiles"}, func(ctx context.Context, s *session) error {
		return s.bucket.File(one.id, v.prefix+one.key).DeleteFileVersion(ctx)
	})
	var answer *answerError
	if !errors.As(err, &answer) {
		return err
	}
	switch {
	case answer.code == "file_not_present", answer.code == "no_such_file", answer.status == http.StatusNotFound:
		return nil
	case one.action == actionUpload && answer.status < 500:
		// B2 does not say by a code of its own that it was a lock.
		s, openErr := v.session(ctx)
		if openErr != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, storeTime)
		defer cancel()
		if locked, lookErr := s.s3.Locked(ctx, one.key, one.id); lookErr == nil && locked {
			return holdfast.ErrLocked
		}
	}
	return err
}
