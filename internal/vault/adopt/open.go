package adopt

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// adopted returns the adopted backup as it was listed last, nil where it is none.
func (v *Vault) adopted(ctx context.Context, ref holdfast.Ref) (*group, error) {
	name := holdfast.JobName{Host: ref.Host, Job: ref.Job}
	if !v.adopts(name) {
		return nil, nil
	}
	v.mu.Lock()
	groups, listed := v.known[name]
	v.mu.Unlock()
	if !listed {
		found, err := v.find(ctx, func(n holdfast.JobName) bool { return n == name })
		if err != nil {
			return nil, err
		}
		groups = found[name]
	}
	return groups[ref.ID], nil
}

// again looks at the files of an adopted backup as they are now, at those alone
// that it was listed with; nil where it is none.
func (v *Vault) again(ctx context.Context, ref holdfast.Ref) (*group, error) {
	g, err := v.adopted(ctx, ref)
	if g == nil || err != nil {
		return nil, err
	}
	now := &group{ref: g.ref, delete: g.delete}
	for _, f := range g.files {
		o, there, err := v.look(ctx, f.at.Key)
		if err != nil {
			return nil, err
		}
		if there {
			now.files = append(now.files, file{f.name, o})
			now.young = now.young || isYoung(o, v.now())
		}
	}
	return now, nil
}

// look returns the file at a path as it is now.
func (v *Vault) look(ctx context.Context, key string) (o holdfast.Object, there bool, err error) {
	for o, err := range v.source.List(ctx, key) {
		if err != nil {
			return o, false, fmt.Errorf("adopt: %w", err)
		}
		if o.Key == key {
			return o, true, nil
		}
	}
	return o, false, nil
}

// Open implements holdfast.Reader.
func (v *Vault) Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	f, err := v.file(ctx, key)
	switch {
	case err != nil:
		return nil, fmt.Errorf("open %q: %w", key, err)
	case f != nil:
		return v.source.Open(ctx, f.at.Key, offset, n)
	}
	return v.Vault.Open(ctx, key, offset, n)
}

// SignDownload implements holdfast.DownloadSigner. Files of a directory cannot be
// signed for.
func (v *Vault) SignDownload(ctx context.Context, key, as string, ttl time.Duration) (holdfast.Request, error) {
	f, err := v.file(ctx, key)
	switch {
	case err == nil && f == nil:
		return v.Vault.SignDownload(ctx, key, as, ttl)
	case err == nil && v.inside:
		return v.Vault.SignDownload(ctx, f.at.Key, as, ttl)
	case err == nil:
		err = errUnsigned
	}
	return holdfast.Request{}, fmt.Errorf("sign download of %q: %w", key, err)
}

// errUnsigned is for files of a directory, which no URL leads to.
var errUnsigned = fmt.Errorf("the file is adopted from a directory, and cannot be signed for: %w", holdfast.ErrNotExist)

// errNoManifest is what there is instead of an adopted backup's manifest.
var errNoManifest = fmt.Errorf("the backup is adopted and has no manifest: %w", holdfast.ErrNotExist)

// file returns the file that a key stands for, nil for an own object.
func (v *Vault) file(ctx context.Context, key string) (*file, error) {
	ref, name, ok := holdfast.ParseKey(key)
	if !ok || name == holdfast.HoldFile {
		return nil, nil
	}
	g, err := v.adopted(ctx, ref)
	if g == nil || err != nil {
		return nil, err
	}
	if taken, err := v.taken(ctx, ref); taken || err != nil {
		return nil, err
	}
	f := g.file(name)
	if name == holdfast.ManifestFile {
		return nil, errNoManifest
	}
	return f, nil
}

// taken reports whether an own backup has the id of an adopted one, so that this
// is not shown.
func (v *Vault) taken(ctx context.Context, ref holdfast.Ref) (bool, error) {
	for o, err := range v.Vault.List(ctx, ref.Key("")) {
		if err != nil {
			return false, err
		}
		if o.Key != ref.HoldKey() {
			return true, nil
		}
	}
	return false, nil
}
