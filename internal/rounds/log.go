package rounds

import "log/slog"

// Log writes a line for each job of which something was deleted, one for what was
// swept, and one for each finding.
func (c Cleaned) Log(log *slog.Logger) {
	for _, j := range c.Jobs {
		if n := len(j.Outcome.Deleted); n > 0 {
			log.Info("thinned out", "vault", c.Vault, "host", j.Host, "job", j.Job, "deleted", n, "size", j.Outcome.Bytes, "kept", j.Kept)
		}
	}
	if swept := c.Swept; len(swept.Uploads)+len(swept.Orphans) > 0 {
		log.Warn("swept leftovers", "vault", c.Vault, "uploads", len(swept.Uploads), "orphans", len(swept.Orphans), "size", swept.Bytes)
	}
	for _, f := range c.Findings {
		log.Warn("retention: "+f.Summary, "vault", c.Vault, "host", f.Host, "job", f.Job, "check", f.Check)
	}
}
