package layout

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// MaxName is how long a name can be, in bytes: what file systems allow.
	MaxName = 255
	// MaxMarkedName leaves room for what is put around a name to mark it.
	MaxMarkedName = MaxName - len(".") - len(begunSuffix)
)

// CheckKey returns an error unless the key names a file below the root that is
// none of the vault's own: no empty segment, none that begins with a dot or is
// longer than maxName, and nothing that some system takes for a separator or an
// end.
func CheckKey(key string, maxName int) error {
	if key == "" || !utf8.ValidString(key) || strings.ContainsAny(key, "\\\x00") {
		return fmt.Errorf("key %q: not usable in a vault", key)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || Own(segment) || len(segment) > maxName {
			return fmt.Errorf("key %q: not usable in a vault", key)
		}
	}
	return nil
}
