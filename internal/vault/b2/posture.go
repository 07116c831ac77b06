package b2

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/Backblaze/blazer/base"

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

// minHidden is how many days hidden backups have to stay, so that there is time to
// find out and to bring them back.
const minHidden = 30

// purged returns what the lifecycle rules do to backups that they should not, a
// sentence for each rule that does.
func (v *Vault) purged(rules []base.LifecycleRule) (wrong []string) {
	backups := v.prefix + holdfast.BackupsPrefix
	for _, rule := range rules {
		if !strings.HasPrefix(rule.Prefix, backups) && !strings.HasPrefix(backups, rule.Prefix) {
			continue
		}
		if rule.DaysNewUntilHidden > 0 {
			wrong = append(wrong, fmt.Sprintf("the lifecycle rule for %q hides backups %d days after their upload", said(rule.Prefix), rule.DaysNewUntilHidden))
		}
		if days := rule.DaysHiddenUntilDeleted; days > 0 && days < minHidden {
			wrong = append(wrong, fmt.Sprintf("the lifecycle rule for %q deletes hidden backups after %d days: whoever may hide a name, deletes it", said(rule.Prefix), days))
		}
	}
	return wrong
}

func setting(on bool) holdfast.Setting {
	if on {
		return holdfast.On
	}
	return holdfast.Off
}

var _ holdfast.Posturer = (*Vault)(nil)

// tidy reports whether a lifecycle rule removes replaced versions of state.
func (v *Vault) tidy(rules []base.LifecycleRule) bool {
	return slices.ContainsFunc(rules, func(rule base.LifecycleRule) bool {
		return rule.DaysHiddenUntilDeleted > 0 && strings.HasPrefix(v.prefix+holdfast.StatePrefix, rule.Prefix)
	})
}
