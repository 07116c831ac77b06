package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/holdfast-backup/holdfast"
)

// Delete implements holdfast.Deleter. It never lifts a lock, whatever it is
// permitted to.
func (v *Vault) Delete(ctx context.Context, key string) error {
	if err := v.delete(ctx, key); err != nil {
		return fmt.Errorf("delete %q: %w", key, cause(ctx, err))
	}
	return nil
}

func (v *Vault) delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if v.checkKey(key) != nil {
		return nil
	}
	if !v.store.Versions {
		return v.deleteVersion(ctx, version{key: key})
	}
	found, err := v.versions(ctx, []string{key})
	if missing(err) {
		return v.deleteVersion(ctx, version{key: key})
	}
	if err != nil {
		return err
	}
	return v.deleteVersions(ctx, found[key])
}

// deleteVersions deletes all versions of one key, the present one last, so that
// none that was replaced or hidden shows in between.
func (v *Vault) deleteVersions(ctx context.Context, all []version) error {
	if len(all) > 1 {
		// All or nothing, so the locks come first. Of a single version the deletion
		// itself tells.
		for _, one := range all {
			if one.marker {
				continue // can't be locked
			}
			locked, err := v.locked(ctx, one)
			if err != nil {
				return fmt.Errorf("look for a lock: %w", err)
			}
			if locked {
				return holdfast.ErrLocked
			}
		}
	}
	for _, latest := range []bool{false, true} {
		for _, one := range all {
			if one.latest != latest {
				continue
			}
			if err := v.deleteVersion(ctx, one); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *Vault) deleteVersion(ctx context.Context, one version) error {
	_, err := v.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: v.bucket, Key: v.name(one.key), VersionId: one.id})
	if err == nil || absent(err) {
		return nil
	}
	return v.refused(ctx, one, err)
}

// refused returns holdfast.ErrLocked if it was a lock for which a deletion was
// refused, else err. A lock and a want of permission come under the same code.
func (v *Vault) refused(ctx context.Context, one version, err error) error {
	if !isCode(err, "AccessDenied", "InvalidRequest", "ObjectLocked") && status(err) != http.StatusForbidden {
		return err
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		// "… because object protected by object lock", "… is WORM protected …"
		text := strings.ToLower(api.ErrorMessage())
		if strings.Contains(text, "object lock") || strings.Contains(text, "worm") {
			return holdfast.ErrLocked
		}
	}
	if locked, lookErr := v.locked(ctx, one); lookErr == nil && locked {
		return holdfast.ErrLocked
	}
	return err
}
