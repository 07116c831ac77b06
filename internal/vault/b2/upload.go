package b2

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/s3"
)

// UploadLimits implements holdfast.Uploader.
func (v *Vault) UploadLimits() holdfast.UploadLimits { return v.limits }

// overS3 makes a call over the S3-compatible API.
func (v *Vault) overS3(ctx context.Context, what, key string, f func(ctx context.Context, store *s3.Vault) error) error {
	s, err := v.session(ctx)
	if err != nil {
		return doing(ctx, what, key, err)
	}
	limited, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return f(limited, s.s3)
}

// StartUpload implements holdfast.Uploader.
func (v *Vault) StartUpload(ctx context.Context, key string) (u holdfast.Upload, err error) {
	if err := v.checkKey(key); err != nil {
		return u, err
	}
	err = v.overS3(ctx, "start upload of", key, func(ctx context.Context, store *s3.Vault) (err error) {
		u, err = store.StartUpload(ctx, key)
		return err
	})
	return u, err
}

// SignPart implements holdfast.Uploader. The signature covers name, length and
// Content-MD5.
func (v *Vault) SignPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, ttl time.Duration) (r holdfast.Request, err error) {
	err = v.overS3(ctx, "sign part of", u.Key, func(ctx context.Context, store *s3.Vault) (err error) {
		r, err = store.SignPart(ctx, u, p, ttl)
		return err
	})
	return r, err
}

// CompleteUpload implements holdfast.Uploader.
func (v *Vault) CompleteUpload(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
	return v.overS3(ctx, "complete upload of", u.Key, func(ctx context.Context, store *s3.Vault) error {
		return store.CompleteUpload(ctx, u, parts, size)
	})
}

// claim returns holdfast.ErrExist unless the upload may become the object: nothing is
// stored under its key, hidden or not, and no other upload of the key was started
// before it. The earlier one would be sorted before it once it is complete.
func (v *Vault) claim(ctx context.Context, u holdfast.Upload) error {
	of, _, err := v.versionsOf(ctx, u.Key)
	if err != nil {
		return err
	}
	if _, ok := present(of); ok {
		return holdfast.ErrExist
	}
	mine := slices.IndexFunc(of, func(one version) bool { return one.id == u.ID })
	if mine >= 0 && slices.ContainsFunc(of[mine+1:], func(one version) bool { return one.action == actionStart }) {
		return holdfast.ErrExist
	}
	return nil
}

// AbortUpload implements holdfast.Uploader. The id of an upload over S3 is that of the
// large file.
func (v *Vault) AbortUpload(ctx context.Context, u holdfast.Upload) error {
	if err := ctx.Err(); err != nil {
		return doing(ctx, "abort upload of", u.Key, err)
	}
	if u.ID == "" || u.Key == "" {
		return nil
	}
	err := v.do(ctx, call{"b2_cancel_large_file", "writeFiles"}, func(ctx context.Context, s *session) error {
		return s.bucket.File(u.ID, v.prefix+u.Key).AsLargeFile().CancelLargeFile(ctx)
	})
	if err == nil || !refused(err) {
		return doing(ctx, "abort upload of", u.Key, err)
	}
	// It is gone, or B2 does not know it by this id. S3 has a word for the first.
	return v.overS3(ctx, "abort upload of", u.Key, func(ctx context.Context, store *s3.Vault) error {
		return store.AbortUpload(ctx, u)
	})
}
