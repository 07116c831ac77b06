package s3

import (
	"fmt"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// maxSegment is the longest of what stands between slashes, in bytes: some stores keep
// objects as files.
const maxSegment = 255

// checkKey is holdfast.CheckKey where the vault's prefix is part of what S3 bounds.
func (v *Vault) checkKey(key string) error {
	if len(v.prefix)+len(key) > holdfast.MaxKey {
		return fmt.Errorf("key %q: not usable in a vault", key)
	}
	return holdfast.CheckKey(key, maxSegment)
}

// name returns what the bucket calls the key, or all keys with a prefix.
func (v *Vault) name(key string) *string {
	name := v.prefix + key
	return &name
}

// key returns the key of what the bucket calls name; "" if it is none of the
// vault's.
func (v *Vault) key(name *string) string {
	if name == nil {
		return ""
	}
	key, ok := strings.CutPrefix(*name, v.prefix)
	if !ok {
		return ""
	}
	return key
}
