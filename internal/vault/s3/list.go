package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/holdfast-backup/holdfast"
)

// List implements holdfast.Lister: a request for every 1,000 objects.
func (v *Vault) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		pages := s3.NewListObjectsV2Paginator(v.client, &s3.ListObjectsV2Input{Bucket: v.bucket, Prefix: v.name(prefix)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(holdfast.Object{}, fmt.Errorf("list %q: %w", prefix, cause(ctx, err)))
				return
			}
			for _, o := range page.Contents {
				if !yield(holdfast.Object{Key: v.key(o.Key), Size: aws.ToInt64(o.Size), ModTime: utc(o.LastModified)}, nil) {
					return
				}
			}
		}
	}
}

// ListUploads implements holdfast.UploadLister. How much was received is not known.
func (v *Vault) ListUploads(ctx context.Context, prefix string) iter.Seq2[holdfast.Upload, error] {
	return func(yield func(holdfast.Upload, error) bool) {
		in := &s3.ListMultipartUploadsInput{Bucket: v.bucket, Prefix: v.name(prefix)}
		for {
			page, err := v.client.ListMultipartUploads(ctx, in)
			if isCode(err, "InvalidArgument") && in.UploadIdMarker != nil {
				// versitygw does not find the marker it gave itself. The key alone will do:
				// two uploads of one key don't occur, since each backup has its own.
				in.UploadIdMarker = nil
				page, err = v.client.ListMultipartUploads(ctx, in)
			}
			if err == nil {
				err = endless(page.IsTruncated, page.NextKeyMarker)
			}
			if err != nil {
				yield(holdfast.Upload{}, fmt.Errorf("list uploads of %q: %w", prefix, cause(ctx, err)))
				return
			}
			for _, u := range page.Uploads {
				if !yield(holdfast.Upload{Key: v.key(u.Key), ID: aws.ToString(u.UploadId), Started: utc(u.Initiated)}, nil) {
					return
				}
			}
			if !aws.ToBool(page.IsTruncated) {
				return
			}
			in.KeyMarker, in.UploadIdMarker = page.NextKeyMarker, page.NextUploadIdMarker
		}
	}
}

// find returns the object as a listing shows it, nil if there is none. It needs
// no permission to read.
func (v *Vault) find(ctx context.Context, key string) (*types.Object, error) {
	page, err := v.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: v.bucket, Prefix: v.name(key), MaxKeys: aws.Int32(1)})
	if err != nil {
		return nil, err
	}
	// Of all keys that begin with it, the key itself comes first.
	if len(page.Contents) == 0 || v.key(page.Contents[0].Key) != key {
		return nil, nil
	}
	return &page.Contents[0], nil
}

// endless returns an error if the store says that a page is not the last, but not
// where the next begins: it would be the first again, for ever.
func endless(truncated *bool, next *string) error {
	if aws.ToBool(truncated) && aws.ToString(next) == "" {
		return errors.New("the store cut the listing short and does not say where")
	}
	return nil
}

func utc(t *time.Time) time.Time { return aws.ToTime(t).UTC() }
