package b2

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/Backblaze/blazer/base"

	"github.com/holdfast-backup/holdfast"
)

// Bucket is what a bucket is set to, as far as it matters to backups.
type Bucket struct {
	Public bool
	Wrong  []string // what its lifecycle rules do to backups that they should not, in sentences
	// Tidy says whether a lifecycle rule removes what state has replaced, which keys
	// without deleteFiles leave behind.
	Tidy bool
}

// Settings returns what the bucket is set to now.
func (v *Vault) Settings(ctx context.Context) (Bucket, error) {
	s, err := v.session(ctx)
	if err != nil {
		return Bucket{}, err
	}
	bucket, err := v.find(ctx, s.api)
	if err != nil {
		return Bucket{}, err
	}
	return Bucket{Public: bucket.Type != "allPrivate", Wrong: v.purged(bucket.LifecycleRules), Tidy: v.tidy(bucket.LifecycleRules)}, nil
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

// tidy reports whether a lifecycle rule removes replaced versions of state.
func (v *Vault) tidy(rules []base.LifecycleRule) bool {
	return slices.ContainsFunc(rules, func(rule base.LifecycleRule) bool {
		return rule.DaysHiddenUntilDeleted > 0 && strings.HasPrefix(v.prefix+holdfast.StatePrefix, rule.Prefix)
	})
}
