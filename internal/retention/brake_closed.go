package retention

import (
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// closed refuses to delete anything of a job that cannot be seen as a whole: a listing
// shows a directory that it may not look into as an object whose key ends in a slash.
// What lies there may be the backups that should stay in the place of those that go.
func closed(job catalog.Job) *holdfast.Finding {
	for _, o := range job.Stray {
		if strings.HasSuffix(o.Key, "/") {
			return &holdfast.Finding{
				Check: holdfast.CheckRetentionBrake, Severity: holdfast.Warning, Host: job.Host, Job: job.Name,
				Summary:  "refused to delete anything while a directory of the job is closed",
				Expected: "every backup can be listed", Actual: o.Key,
				Hint: "see on the server who made the directory, and let retention look into it or remove it",
			}
		}
	}
	return nil
}
