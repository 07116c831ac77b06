package s3

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// OpenVersion is Open of one version of the object, whatever has become of its
// name since.
func (v *Vault) OpenVersion(ctx context.Context, key, version string, offset, n int64) (io.ReadCloser, error) {
	body, err := v.open(ctx, key, &version, offset, n)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", key, cause(ctx, err))
	}
	return body, nil
}

// SignVersion is SignDownload of one version of the object.
func (v *Vault) SignVersion(ctx context.Context, key, version, file string, ttl time.Duration) (holdfast.Request, error) {
	return v.signDownload(ctx, key, &version, file, ttl)
}

// Locked reports whether a retention date or a legal hold forbids deleting the
// version.
func (v *Vault) Locked(ctx context.Context, key, id string) (bool, error) {
	locked, err := v.locked(ctx, version{key: key, id: &id})
	if err != nil {
		return false, fmt.Errorf("look for a lock of %q: %w", key, cause(ctx, err))
	}
	return locked, nil
}
