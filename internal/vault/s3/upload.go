package s3

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/holdfast-backup/holdfast"
)

// UploadLimits implements holdfast.Uploader.
func (v *Vault) UploadLimits() holdfast.UploadLimits {
	return holdfast.UploadLimits{MaxParts: v.store.MaxParts, Checksum: v.store.Checksum}
}

// StartUpload implements holdfast.Uploader. Encryption, storage class and lock of
// the object are settled here, out of reach of who sends the parts.
func (v *Vault) StartUpload(ctx context.Context, key string) (holdfast.Upload, error) {
	if err := v.checkKey(key); err != nil {
		return holdfast.Upload{}, err
	}
	in := &s3.CreateMultipartUploadInput{Bucket: v.bucket, Key: v.name(key), StorageClass: types.StorageClass(v.storageClass)}
	if v.store.Checksum == holdfast.ChecksumSHA256 {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmSha256
	}
	if v.kmsKey != nil {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = types.ServerSideEncryptionAwsKms, v.kmsKey, aws.Bool(true)
	}
	if v.locks(key) {
		in.ObjectLockMode, in.ObjectLockRetainUntilDate = v.lock.mode(), aws.Time(v.lock.until(v.now()))
	}
	if err := ctx.Err(); err != nil {
		return holdfast.Upload{}, fmt.Errorf("start upload of %q: %w", key, err)
	}
	out, err := v.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return holdfast.Upload{}, fmt.Errorf("start upload of %q: %w", key, cause(ctx, err))
	}
	return holdfast.Upload{Key: key, ID: aws.ToString(out.UploadId)}, nil
}

// AbortUpload implements holdfast.Uploader.
func (v *Vault) AbortUpload(ctx context.Context, u holdfast.Upload) error {
	if err := v.abort(ctx, u); err != nil {
		return fmt.Errorf("abort upload of %q: %w", u.Key, cause(ctx, err))
	}
	return nil
}

func (v *Vault) abort(ctx context.Context, u holdfast.Upload) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if v.noUpload(u) {
		return nil
	}
	_, err := v.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: v.bucket, Key: v.name(u.Key), UploadId: &u.ID})
	if isCode(err, "NoSuchUpload") {
		return nil
	}
	return err
}

// noUpload reports whether u can't be an upload, and would make a request that
// means something else.
func (v *Vault) noUpload(u holdfast.Upload) bool { return u.ID == "" || u.Key == "" }

func (l *Lock) mode() types.ObjectLockMode {
	if l.Governance {
		return types.ObjectLockModeGovernance
	}
	return types.ObjectLockModeCompliance
}

// until returns when the lock of what is stored now ends, in whole seconds,
// which is what the store counts in.
func (l *Lock) until(now time.Time) time.Time {
	return now.Add(l.For + time.Second).UTC().Truncate(time.Second)
}
