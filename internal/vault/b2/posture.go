package b2

import (
	"context"

	"github.com/holdfast-backup/holdfast"
)

// hiddenNamed is how many hidden objects Posture names.
const hiddenNamed = 5

// Posture implements holdfast.Posturer. Versioning, which B2 always has, is off where
// a lifecycle rule takes away what it is good for. Hidden are also the objects that
// somebody stored something else over.
func (v *Vault) Posture(ctx context.Context) (holdfast.Posture, error) {
	s, err := v.session(ctx)
	if err != nil {
		return holdfast.Posture{}, doing(ctx, "read posture of bucket", v.options.Bucket, err)
	}
	bucket, err := v.find(ctx, s.api)
	if err != nil {
		return holdfast.Posture{}, doing(ctx, "read posture of bucket", v.options.Bucket, err)
	}
	p := holdfast.Posture{Private: setting(bucket.Type == "allPrivate"), Versioning: setting(len(v.purged(bucket.LifecycleRules)) == 0)}
	for of, err := range v.names(ctx, holdfast.BackupsPrefix) {
		if err != nil {
			return holdfast.Posture{}, doing(ctx, "list versions of bucket", v.options.Bucket, err)
		}
		if !hidden(of) {
			continue
		}
		if p.HiddenCount++; p.HiddenCount <= hiddenNamed {
			p.Hidden = append(p.Hidden, of[0].key)
		}
	}
	return p, nil
}

// Hidden reports whether somebody has hidden, or stored something else over, an
// object with that prefix.
func (v *Vault) Hidden(ctx context.Context, prefix string) (bool, error) {
	for of, err := range v.names(ctx, prefix) {
		if err != nil {
			return false, doing(ctx, "list versions of", prefix, err)
		}
		if hidden(of) {
			return true, nil
		}
	}
	return false, nil
}

// hidden reports whether a download by name yields something else than the object
// that has these versions.
func hidden(of []version) bool {
	one, ok := present(of)
	if !ok || newest(of, one) {
		return false
	}
	for _, other := range of {
		if other.action == actionHide || other.action == actionUpload && !alike(one, other) {
			return true
		}
	}
	return false
}

// alike reports whether two versions have the same bytes, as two attempts of one
// writer have.
func alike(a, b version) bool {
	return a.id == b.id || a.size == b.size && (a.sha1 != "" && a.sha1 == b.sha1 || a.md5 != "" && a.md5 == b.md5)
}

func setting(on bool) holdfast.Setting {
	if on {
		return holdfast.On
	}
	return holdfast.Off
}

var _ holdfast.Posturer = (*Vault)(nil)
