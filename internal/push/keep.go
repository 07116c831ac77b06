package push

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/retention"
)

// keepTimeout bounds the thinning out of one destination after a run.
const keepTimeout = 10 * time.Minute

// keeper is a destination where the run itself sees to what is kept. No broker's
// vault is one: what it holds, this host cannot delete.
type keeper interface {
	keep(ctx context.Context, host, job string, now time.Time, added bool) (warnings []string, err error)
}

// thin applies to the destinations on this host what they keep of the job, and
// removes there what runs that were killed have left.
func (r *run) thin(ctx context.Context) {
	for _, l := range r.lanes {
		k, ok := l.to.(keeper)
		if !ok || l.Carrier == nil || ctx.Err() != nil {
			continue
		}
		warnings, err := k.keep(ctx, r.job.Host, r.job.Name, r.Now(), l.committed)
		for _, text := range warnings {
			r.warn(fmt.Errorf("keep at %s: %s", l.name, text))
		}
		if err != nil {
			r.partial(failed(StageKeep, fmt.Errorf("keep at %s: %w", l.name, err)))
		}
	}
}

// keep implements keeper. Where the run has added no backup nothing is given up
// for it; what was left behind goes in any case, since it may be why there was no
// room.
func (d *Direct) keep(ctx context.Context, host, job string, now time.Time, added bool) (warnings []string, err error) {
	if d.o.Policy == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, keepTimeout, fmt.Errorf("not finished within %s", keepTimeout))
	defer cancel()
	opened, err := d.opened(ctx)
	if err != nil {
		return nil, err
	}
	vault, ok := opened.(retention.Vault)
	if !ok {
		return nil, errors.New("the vault cannot delete")
	}
	keep := d.o.Policy.Keep
	if !added {
		keep = holdfast.Keep{}
	}
	done, err := retention.Run(ctx, vault,
		func(string, string) (holdfast.Keep, holdfast.Expect, bool) { return keep, d.o.Policy.Expect, true },
		retention.Options{Now: now, Only: func(h, j string) bool { return h == host && j == job }})
	for _, f := range done.Findings {
		if f.Check == holdfast.CheckRetentionBrake {
			warnings = append(warnings, f.Summary+"; `holdfast clean`, with a disk vault of this directory in holdfast.yaml, shows what would go and forces it")
		}
	}
	return warnings, err
}
