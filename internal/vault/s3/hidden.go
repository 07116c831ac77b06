package s3

import (
	"context"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast-backup/holdfast"
)

// Hidden reports whether somebody has deleted an object with that prefix by name,
// so that it is no longer listed while its contents are still there.
func (v *Vault) Hidden(ctx context.Context, prefix string) (bool, error) {
	for _, err := range v.hidden(ctx, prefix) {
		if err != nil {
			return false, fmt.Errorf("list versions of %q: %w", prefix, cause(ctx, err))
		}
		return true, nil
	}
	return false, nil
}

// hidden yields the objects below prefix that somebody has deleted by name: a
// delete marker is their newest version, and older ones are still there. The size
// is that of the newest of those, the time when it was hidden. Holdfast itself
// deletes all versions. Nothing is yielded of a store without versions.
func (v *Vault) hidden(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		var of []version // one key's, until the next key shows
		for one, err := range v.allVersions(ctx, prefix) {
			if err != nil {
				yield(holdfast.Object{}, err)
				return
			}
			if len(of) > 0 && of[0].key != one.key {
				if o, ok := hiddenOf(of); ok && !yield(o, nil) {
					return
				}
				of = of[:0]
			}
			of = append(of, one)
		}
		if o, ok := hiddenOf(of); ok {
			yield(o, nil)
		}
	}
}

// hiddenOf returns the object that the versions of one key have, if it is hidden.
func hiddenOf(of []version) (holdfast.Object, bool) {
	var o holdfast.Object
	var newest version
	for _, one := range of {
		switch {
		case one.marker && one.latest:
			o.Key, o.ModTime = one.key, one.time
		case !one.marker && (newest.key == "" || one.time.After(newest.time)):
			newest = one
		}
	}
	o.Size = newest.size
	return o, o.Key != "" && newest.key != ""
}

// allVersions yields all versions and markers below prefix, in order of their keys.
func (v *Vault) allVersions(ctx context.Context, prefix string) iter.Seq2[version, error] {
	return func(yield func(version, error) bool) {
		if !v.store.Versions {
			return
		}
		pages := s3.NewListObjectVersionsPaginator(v.client, &s3.ListObjectVersionsInput{Bucket: v.bucket, Prefix: v.name(prefix)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if missing(err) {
				return
			}
			if err != nil {
				yield(version{}, err)
				return
			}
			for _, one := range v.versionsOf(page) {
				if !yield(one, nil) {
					return
				}
			}
		}
	}
}
