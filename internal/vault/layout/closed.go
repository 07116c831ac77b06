package layout

import (
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// PassesOver reports whether a listing passes over a directory that it may not look
// into, and shows it as an object with this key, which ends in a slash. It does so
// with all that lies below a job's directory: whoever can add one there can give it
// any mode, and would end every listing. That a job's own directory, or one above it,
// is closed stays an error: half of what there is must not be taken for all.
func PassesOver(key string) bool {
	for _, prefix := range []string{holdfast.BackupsPrefix, holdfast.ReportsPrefix} {
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			return strings.HasSuffix(rest, "/") && strings.Count(rest, "/") > 2 // of the host and the job
		}
	}
	return false
}
