package rounds

import (
	"context"
	"errors"
	"log/slog"

	"github.com/holdfast-backup/holdfast/internal/monitor"
)

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

// Log writes a line for each change, one for each channel that did not take what it
// should have, and one for what else did not work.
func (w Watched) Log(log *slog.Logger) {
	for _, t := range w.Transitions {
		if t.Change != monitor.Still {
			level := slog.LevelWarn
			if t.Change == monitor.Resolved {
				level = slog.LevelInfo
			}
			log.Log(context.Background(), level, "monitor: "+string(t.Change)+": "+t.Finding.Summary, "vault", w.Vault, "host", t.Finding.Host, "job", t.Finding.Job, "check", t.Finding.Check, "severity", t.Finding.Severity)
		}
	}
	w.LogTelling(log)
	if w.Judging != nil && !errors.Is(w.Judging, context.Canceled) {
		log.Error("monitor", "vault", w.Vault, "err", w.Judging)
	}
}

// LogTelling writes what Log does of telling people and showing the page.
func (w Watched) LogTelling(log *slog.Logger) {
	for _, c := range w.Alerts.Channels {
		if c.Err != "" {
			log.Error("alert", "vault", w.Vault, "channel", c.Channel, "err", c.Err, "since", c.Since)
		} else if c.Sent > 0 {
			log.Info("alert", "vault", w.Vault, "channel", c.Channel, "sent", c.Sent)
		}
	}
	if w.Alerts.Unlinked != "" {
		log.Warn("alert without a link to the status page", "vault", w.Vault, "err", w.Alerts.Unlinked)
	}
	if w.Telling != nil {
		log.Error("alert", "vault", w.Vault, "err", w.Telling)
	}
	if w.Showing != nil {
		log.Error("status", "vault", w.Vault, "err", w.Showing)
	}
}
