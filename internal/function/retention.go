package function

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/awsenv"
	"github.com/holdfast-backup/holdfast/internal/retention"
	"github.com/holdfast-backup/holdfast/internal/rounds"
)

// retentionMargin is what is left of an invocation's time for saying what was done.
const retentionMargin = 10 * time.Second

// Retention returns the function that thins all vaults out, whatever the event.
// It can run twice at once or be ended at any point. What it has no time for the
// next run does.
func Retention(e Env) Handler {
	return thinning{e, configurations(e, nil), e.metrics("retention")}.handle
}

type thinning struct {
	env            Env
	configurations *awsenv.Cache[*live]
	metrics        metrics
}

// cleaned is what came of one vault.
type cleaned struct {
	all []rounds.Cleaned
	err error
}

func (r thinning) handle(ctx context.Context, _ []byte) (any, error) {
	t := tally{metrics: r.metrics}
	defer t.put()
	l, err := r.configurations.Get(ctx)
	if err != nil {
		return nil, err
	}
	working, cancel := beforeDeadline(ctx, retentionMargin)
	defer cancel()
	for _, c := range inEach(l.vaults, func(name string, vault holdfast.Vault) cleaned {
		all, err := l.rounds(r.env).Retention(working, map[string]holdfast.Vault{name: vault}, retention.Options{})
		return cleaned{all, err}
	}) {
		r.say(&t, c, working.Err() != nil)
	}
	t.over = true
	return nil, t.verdict()
}

// say logs what came of one vault and counts it. late says that the time was up.
func (r thinning) say(t *tally, c cleaned, late bool) {
	for _, s := range c.all {
		s.Log(r.env.Log)
		t.findings = append(t.findings, s.Findings...)
		deleted, freed := removed(s)
		r.metrics.ofVault(s.Vault, count("Deleted", deleted), awsenv.Metric{Name: "FreedBytes", Unit: awsenv.Bytes, Value: freed})
	}
	switch {
	case c.err == nil:
	case late && errors.Is(c.err, context.DeadlineExceeded):
		t.unfinished = true
		r.env.Log.Warn("retention did not finish", "err", c.err)
	default:
		t.errs = append(t.errs, c.err)
		r.env.Log.Error("retention", "err", c.err)
	}
}

// removed returns how many backups are gone, and how many bytes with them and
// with leftovers.
func removed(c rounds.Cleaned) (backups int, bytes int64) {
	bytes = c.Swept.Bytes
	for _, j := range c.Jobs {
		backups += len(j.Outcome.Deleted)
		bytes += j.Outcome.Bytes
	}
	return backups, bytes
}
