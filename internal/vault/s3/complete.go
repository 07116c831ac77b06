package s3

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/holdfast-backup/holdfast"
)

// CompleteUpload implements holdfast.Uploader.
func (v *Vault) CompleteUpload(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
	if err := v.complete(ctx, u, parts, size); err != nil {
		return fmt.Errorf("complete upload of %q: %w", u.Key, cause(ctx, err))
	}
	return nil
}

func (v *Vault) complete(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if v.noUpload(u) || v.checkKey(u.Key) != nil {
		return holdfast.ErrNotExist
	}
	// A store answers a completion that is repeated as it did the first time, and
	// looks at no condition then.
	there, err := v.find(ctx, u.Key)
	if err != nil {
		return err
	}
	if there != nil {
		return v.lost(ctx, u)
	}
	named, err := v.named(parts, size)
	if err != nil {
		return err
	}
	if !v.store.TotalSize {
		if err := v.checkStored(ctx, u, parts); err != nil {
			return v.gone(ctx, u, err)
		}
	}
	if v.claim != nil {
		err := v.claim(ctx, u)
		if errors.Is(err, holdfast.ErrExist) {
			return v.lost(ctx, u)
		}
		if err != nil {
			return err
		}
	}
	in := &s3.CompleteMultipartUploadInput{
		Bucket: v.bucket, Key: v.name(u.Key), UploadId: &u.ID, MultipartUpload: &types.CompletedMultipartUpload{Parts: named},
	}
	if v.store.TotalSize {
		in.MpuObjectSize = &size
	}
	if v.store.ConditionalWrites {
		in.IfNoneMatch = aws.String("*")
	}
	_, err = v.client.CompleteMultipartUpload(ctx, in)
	if taken(err) {
		return v.lost(ctx, u)
	}
	return v.gone(ctx, u, differs(err))
}

// lost returns holdfast.ErrExist for an upload whose key is taken, and discards
// its parts: nothing will come of them. What can't be discarded is the sweep's.
func (v *Vault) lost(ctx context.Context, u holdfast.Upload) error {
	_ = v.abort(ctx, u)
	return holdfast.ErrExist
}

// gone tells an upload that was completed, perhaps by an attempt whose answer was
// lost, from one that is not there. Other errors stay as they are.
func (v *Vault) gone(ctx context.Context, u holdfast.Upload, err error) error {
	if !isCode(err, "NoSuchUpload") {
		return err
	}
	there, listErr := v.find(ctx, u.Key)
	switch {
	case listErr != nil:
		return listErr
	case there != nil:
		return holdfast.ErrExist
	}
	return holdfast.ErrNotExist
}

// differs makes holdfast.ErrCorrupt of the store's words for parts that are
// missing, differ, or make another size.
func differs(err error) error {
	if isCode(err, "InvalidPart", "InvalidPartOrder", "EntityTooSmall", "BadDigest", "InvalidRequest") {
		return fmt.Errorf("%w: %v", holdfast.ErrCorrupt, answer{err})
	}
	return err
}

// named returns the parts as the store wants them, or holdfast.ErrCorrupt if they
// can't be those of an object of size bytes.
func (v *Vault) named(parts []holdfast.Part, size int64) ([]types.CompletedPart, error) {
	if len(parts) == 0 || len(parts) > v.store.MaxParts {
		return nil, fmt.Errorf("%d parts: %w", len(parts), holdfast.ErrCorrupt)
	}
	named, total := make([]types.CompletedPart, len(parts)), int64(0)
	for i, p := range parts {
		sum, err := hex.DecodeString(p.Sum)
		etag := p.ETag
		if v.store.Checksum == holdfast.ChecksumMD5 {
			if etag == "" {
				etag = `"` + p.Sum + `"`
			}
			// A part's ETag is its MD5, if the store does not encrypt.
			if bare := strings.Trim(etag, `"`); len(bare) == len(p.Sum) && bare != p.Sum {
				err = fmt.Errorf("its ETag is %s", etag)
			}
		}
		if err != nil || p.Number != i+1 || etag == "" {
			return nil, fmt.Errorf("part %d is missing or differs: %w", i+1, holdfast.ErrCorrupt)
		}
		named[i] = types.CompletedPart{PartNumber: aws.Int32(int32(p.Number)), ETag: aws.String(etag)}
		if v.store.Checksum == holdfast.ChecksumSHA256 {
			named[i].ChecksumSHA256 = aws.String(base64.StdEncoding.EncodeToString(sum))
		}
		total += p.Size
	}
	if total != size || size == 0 {
		return nil, fmt.Errorf("parts make %d bytes, not %d: %w", total, size, holdfast.ErrCorrupt)
	}
	return named, nil
}

// checkStored returns holdfast.ErrCorrupt unless the parts are those that the
// store lists. For stores that don't look at the total size themselves.
func (v *Vault) checkStored(ctx context.Context, u holdfast.Upload, parts []holdfast.Part) error {
	stored := map[int]types.Part{}
	pages := s3.NewListPartsPaginator(v.client, &s3.ListPartsInput{Bucket: v.bucket, Key: v.name(u.Key), UploadId: &u.ID})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, p := range page.Parts {
			stored[int(aws.ToInt32(p.PartNumber))] = p
		}
	}
	for _, p := range parts {
		have, ok := stored[p.Number]
		if !ok || aws.ToInt64(have.Size) != p.Size || p.ETag != "" && strings.Trim(p.ETag, `"`) != strings.Trim(aws.ToString(have.ETag), `"`) {
			return fmt.Errorf("part %d is missing or differs: %w", p.Number, holdfast.ErrCorrupt)
		}
	}
	return nil
}
