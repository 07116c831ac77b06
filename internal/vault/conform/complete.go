package conform

import (
	"bytes"
	"context"
	"slices"

	"github.com/holdfast-backup/holdfast"
)

func completeChecks() []Check {
	return []Check{
		check("complete-missing", "Completing without a part that was named is ErrCorrupt.", completeMissing),
		check("complete-differs", "Completing with a part that differs from the stored one is ErrCorrupt.", completeDiffers),
		check("complete-size", "Completing with another total size is ErrCorrupt.", completeSize),
		check("complete-taken", "Completing under a taken key is ErrExist and changes nothing.", completeTaken),
		check("complete-twice", "Completing twice is ErrExist and changes nothing.", completeTwice),
		check("complete-concurrent", "Of several completions of one key at once exactly one succeeds, whole.", completeConcurrent),
	}
}

// corrupt returns an error unless completing is ErrCorrupt and leaves no object.
func (s *scratch) corrupt(ctx context.Context, doing string, u holdfast.Upload, parts []holdfast.Part, size int64) error {
	err := s.Vault.CompleteUpload(ctx, u, parts, size)
	if err := wants(doing, err, holdfast.ErrCorrupt); err != nil {
		return err
	}
	return s.absent(ctx, u.Key)
}

func completeMissing(ctx context.Context, s *scratch) error {
	first := bytes.Repeat([]byte("first"), int(holdfast.PartSize(1, s.Vault.UploadLimits().MaxParts))/5+1)
	first = first[:holdfast.PartSize(1, s.Vault.UploadLimits().MaxParts)]
	last := []byte("last")
	parts := []holdfast.Part{s.part(1, first), s.part(2, last)}
	size := int64(len(first) + len(last))
	for present, body := range [][]byte{first, last} {
		u, err := s.Vault.StartUpload(ctx, s.prefix+"object")
		if err != nil {
			return err
		}
		named := slices.Clone(parts)
		named[present], err = s.sendPart(ctx, u, present+1, body)
		if err != nil {
			return err
		}
		// A store that wants ETags back gets one for the missing part too.
		named[1-present].ETag = named[present].ETag
		if err := s.corrupt(ctx, "complete with a part that was not sent", u, named, size); err != nil {
			return err
		}
	}
	return nil
}

func completeDiffers(ctx context.Context, s *scratch) error {
	body, other := []byte("a body"), []byte("b body")
	u, parts, err := s.begin(ctx, s.prefix+"object", body)
	if err != nil {
		return err
	}
	named := s.part(1, other)
	if parts[0].ETag != "" {
		sum := []byte(parts[0].ETag)
		slices.Reverse(sum)
		named.ETag = string(sum)
	}
	return s.corrupt(ctx, "complete with another checksum", u, []holdfast.Part{named}, int64(len(body)))
}

func completeSize(ctx context.Context, s *scratch) error {
	body := []byte("a body")
	for _, size := range []int64{5, 7, 0} {
		u, parts, err := s.begin(ctx, s.prefix+"object", body)
		if err != nil {
			return err
		}
		if err := s.corrupt(ctx, "complete with another size", u, parts, size); err != nil {
			return err
		}
	}
	return nil
}

func completeTaken(ctx context.Context, s *scratch) error {
	key := s.prefix + "object"
	u, parts, err := s.begin(ctx, key, []byte("uploaded"))
	if err != nil {
		return err
	}
	if err := s.put(ctx, key); err != nil {
		return err
	}
	err = s.Vault.CompleteUpload(ctx, u, parts, int64(len("uploaded")))
	if err := wants("complete under a taken key", err, holdfast.ErrExist); err != nil {
		return err
	}
	return s.holds(ctx, key, []byte(key))
}

func completeTwice(ctx context.Context, s *scratch) error {
	key, body := s.prefix+"object", []byte("a body")
	u, parts, err := s.begin(ctx, key, body)
	if err != nil {
		return err
	}
	if err := s.Vault.CompleteUpload(ctx, u, parts, int64(len(body))); err != nil {
		return err
	}
	err = s.Vault.CompleteUpload(ctx, u, parts, int64(len(body)))
	if err := wants("complete again", err, holdfast.ErrExist); err != nil {
		return err
	}
	return s.holds(ctx, key, body)
}

func completeConcurrent(ctx context.Context, s *scratch) error {
	key := s.prefix + "object"
	const count = 6
	type begun struct {
		upload holdfast.Upload
		parts  []holdfast.Part
	}
	var all [count]begun
	body := func(i int) []byte { return bytes.Repeat([]byte{'a' + byte(i)}, 1000) }
	for i := range all {
		u, parts, err := s.begin(ctx, key, body(i))
		if err != nil {
			return err
		}
		all[i] = begun{u, parts}
	}
	errs := together(count, func(i int) error {
		return s.Vault.CompleteUpload(ctx, all[i].upload, all[i].parts, 1000)
	})
	winner, err := oneWins("complete at once", errs, holdfast.ErrExist)
	if err != nil {
		return err
	}
	return s.holds(ctx, key, body(winner))
}
