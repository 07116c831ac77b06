package s3

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxKey is the longest key that S3 takes, prefix and all, in bytes.
const maxKey = 1024

// checkKey returns an error unless the key is one that every backend takes: no
// empty segment, none that begins with a dot, and nothing that some system takes
// for a separator or an end, or that XML can't carry, in which listings come.
func (v *Vault) checkKey(key string) error {
	bad := func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == '\ufffe' || r == '\uffff' }
	if key == "" || len(v.prefix)+len(key) > maxKey || !utf8.ValidString(key) || strings.ContainsFunc(key, bad) {
		return fmt.Errorf("key %q: not usable in a vault", key)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment[0] == '.' || len(segment) > 255 {
			return fmt.Errorf("key %q: not usable in a vault", key)
		}
	}
	return nil
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
