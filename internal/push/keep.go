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
	keep(ctx context.Context, k keeping) (warnings []string, err error)
}

// keeping is what a run knows of what is to be kept.
type keeping struct {
	host, job string
	now       time.Time
	vouched   bool // for now, by a broker: the host's own clock may be wrong
	added     bool // the run has added a backup
}

// thin applies to the destinations on this host what they keep of the job, and
// removes there what runs that were killed have left.
func (r *run) thin(ctx context.Context) {
	known := keeping{host: r.job.Host, job: r.job.Name, now: r.Now().Add(r.skew), vouched: r.timed}
	for _, l := range r.lanes {
		k, ok := l.to.(keeper)
		if !ok || ctx.Err() != nil {
			continue
		}
		known.added = l.committed
		warnings, err := k.keep(ctx, known)
		for _, text := range warnings {
			r.warn(fmt.Errorf("keep at %s: %s", l.name, text))
		}
		if err != nil && l.Carrier == nil {
			// It could not even be begun there, which was told already.
			r.Log.Info("keep", "to", l.name, "err", redact(err.Error(), r.job.Secrets))
		} else if err != nil {
			r.partial(failed(StageKeep, fmt.Errorf("keep at %s: %w", l.name, err)))
		}
	}
}

// keep implements keeper. Where the run has added no backup nothing is given up
// for it; what was left behind goes in any case, since it may be why there was no
// room. Nor is anything given up by a clock that what lies there contradicts.
func (d *Direct) keep(ctx context.Context, k keeping) (warnings []string, err error) {
	if d.o.Policy == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, keepTimeout, fmt.Errorf("not finished within %s", keepTimeout))
	defer cancel()
	done, err := await(ctx, &d.calls, func() (thinned, error) { return d.apply(ctx, k) })
	if k.added && done.future != "" {
		warnings = append(warnings, fmt.Sprintf("nothing is given up, since %s is of the future by this host's clock; if the clock is right, remove that backup", done.future))
	}
	for _, f := range done.Findings {
		if f.Check == holdfast.CheckRetentionBrake {
			warnings = append(warnings, f.Summary+"; `holdfast clean`, with a disk vault of this directory in holdfast.yaml, shows what would go and forces it")
		}
	}
	return warnings, err
}

// thinned is what was done to keep what is to be kept.
type thinned struct {
	retention.Summary
	future holdfast.ID // a backup that is of the future by the clock gone by
}

func (d *Direct) apply(ctx context.Context, k keeping) (done thinned, err error) {
	opened, err := d.opened(ctx)
	if err != nil {
		return done, err
	}
	vault, ok := opened.(retention.Vault)
	if !ok {
		return done, errors.New("the vault cannot delete")
	}
	if !k.vouched {
		if done.future, err = ahead(ctx, vault, k); err != nil {
			return done, err
		}
	}
	keep := d.o.Policy.Keep
	if !k.added || done.future != "" {
		keep = holdfast.Keep{}
	}
	done.Summary, err = retention.Run(ctx, vault,
		func(string, string) (holdfast.Keep, holdfast.Expect, bool) { return keep, d.o.Policy.Expect, true },
		retention.Options{Now: k.now, Only: func(host, job string) bool {
			// Nobody can tell any more whose upload it was that is damaged.
			return host == k.host && job == k.job || host == "" && job == ""
		}})
	return done, err
}

// ahead returns the newest backup of the job if it is of the future, else "".
func ahead(ctx context.Context, vault holdfast.Lister, k keeping) (holdfast.ID, error) {
	var newest holdfast.ID
	for o, err := range vault.List(ctx, holdfast.JobPrefix(k.host, k.job)) {
		if err != nil {
			return "", err
		}
		ref, file, ok := holdfast.ParseKey(o.Key)
		if ok && file == holdfast.ManifestFile && ref.ID.Time().After(k.now.Add(maxSkew)) {
			newest = max(newest, ref.ID)
		}
	}
	return newest, nil
}
