package s3

import (
	"cmp"
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// version is one version of a key, or a delete marker: what deleting by name
// leaves on a versioned bucket, and what hides the versions before it.
type version struct {
	key    string
	id     *string
	marker bool
	latest bool
	size   int64 // bytes
	time   time.Time
}

// versionsOf returns what the page shows, in ascending order of keys.
func (v *Vault) versionsOf(page *s3.ListObjectVersionsOutput) []version {
	all := make([]version, 0, len(page.Versions)+len(page.DeleteMarkers))
	for _, o := range page.Versions {
		all = append(all, version{v.key(o.Key), o.VersionId, false, aws.ToBool(o.IsLatest), aws.ToInt64(o.Size), utc(o.LastModified)})
	}
	for _, m := range page.DeleteMarkers {
		all = append(all, version{v.key(m.Key), m.VersionId, true, aws.ToBool(m.IsLatest), 0, utc(m.LastModified)})
	}
	slices.SortStableFunc(all, func(a, b version) int { return cmp.Compare(a.key, b.key) })
	return all
}

// versions returns the versions and markers of exactly these keys, which are
// sorted and each there once. It goes over the pages between the first key and
// the last, and skips from one key to the next where more than a page lies
// between them.
func (v *Vault) versions(ctx context.Context, keys []string) (map[string][]version, error) {
	found := make(map[string][]version, len(keys))
	for _, key := range keys {
		found[key] = nil
	}
	prefix := commonPrefix(keys[0], keys[len(keys)-1])
	in := &s3.ListObjectVersionsInput{Bucket: v.bucket, Prefix: v.name(prefix)}
	if from := before(keys[0]); len(from) > len(prefix) {
		in.KeyMarker = v.name(from)
	}
	for {
		page, err := v.client.ListObjectVersions(ctx, in)
		if err == nil {
			err = endless(page.IsTruncated, page.NextKeyMarker)
		}
		if err != nil {
			return nil, err
		}
		for _, one := range v.versionsOf(page) {
			of, wanted := found[one.key]
			// versitygw begins a page with the version that ended the last one.
			if wanted && (len(of) == 0 || aws.ToString(of[len(of)-1].id) != aws.ToString(one.id)) {
				found[one.key] = append(of, one)
			}
		}
		if !aws.ToBool(page.IsTruncated) {
			return found, nil
		}
		next := v.key(page.NextKeyMarker)
		i, _ := slices.BinarySearch(keys, next)
		if keys = keys[i:]; len(keys) == 0 {
			return found, nil
		}
		in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
		if from := before(keys[0]); from > next {
			in.KeyMarker, in.VersionIdMarker = v.name(from), nil
		}
	}
}

func commonPrefix(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n < len(a) && !utf8.RuneStart(a[n]) {
		n--
	}
	return a[:n]
}

// before returns a string that sorts before key, with few keys in between.
func before(key string) string {
	_, size := utf8.DecodeLastRuneInString(key)
	return key[:len(key)-size]
}

// locked reports whether a retention date or a legal hold forbids deleting the
// version.
func (v *Vault) locked(ctx context.Context, one version) (bool, error) {
	retention, err := v.client.GetObjectRetention(ctx, &s3.GetObjectRetentionInput{Bucket: v.bucket, Key: v.name(one.key), VersionId: one.id})
	switch {
	case noLocks(err):
	case err != nil:
		return false, err
	case retention.Retention != nil && aws.ToTime(retention.Retention.RetainUntilDate).After(v.now()):
		return true, nil
	}
	hold, err := v.client.GetObjectLegalHold(ctx, &s3.GetObjectLegalHoldInput{Bucket: v.bucket, Key: v.name(one.key), VersionId: one.id})
	switch {
	case noLocks(err):
		return false, nil
	case err != nil:
		return false, err
	}
	return hold.LegalHold != nil && hold.LegalHold.Status == types.ObjectLockLegalHoldStatusOn, nil
}

// noLocks reports whether the store says that the version, or the whole bucket,
// has no lock of the kind asked for.
func noLocks(err error) bool {
	return err != nil && (missing(err) || absent(err) ||
		isCode(err, "NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest"))
}
