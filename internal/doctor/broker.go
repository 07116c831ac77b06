package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/source/open"
)

// maxSkew is by how much the host's clock may differ before it is a fault, well
// before the broker refuses its tokens.
const maxSkew = 30 * time.Second

// answerTimeout is how long the broker has for its first answer. Someone waits.
const answerTimeout = 10 * time.Second

// health looks whether the broker answers, and whether all is well with it.
func (d *doctor) health(ctx context.Context) (_ holdfast.Examination, answers bool) {
	const name = "broker"
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	h, err := d.Client.Health(ctx)
	if err != nil {
		return bad(name, err, "is the URL right, and the server running? A proxy is taken from HTTPS_PROXY"), false
	}
	if !h.OK {
		var down []string
		for _, vault := range slices.Sorted(maps.Keys(h.Vaults)) {
			if h.Vaults[vault] != "ok" {
				down = append(down, vault)
			}
		}
		return bad(name, fmt.Errorf("%s: a vault is not reachable: %v", d.Config.Broker, down), "look at the server's log"), true
	}
	return good(name, fmt.Sprintf("%s, version %s, vaults reachable", d.Config.Broker, h.Version)), true
}

func (d *doctor) clock(ctx context.Context) holdfast.Examination {
	const name = "clock"
	skew, err := d.Client.Skew(ctx)
	if err != nil {
		return bad(name, err, "")
	}
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	detail := fmt.Sprintf("%s %s the broker's", skew.Abs().Round(time.Millisecond), direction)
	if skew.Abs() > maxSkew {
		return bad(name, errors.New(detail), "set this host's clock; systemd-timesyncd or chrony keep it right")
	}
	return good(name, detail)
}

// job looks whether the broker, if it answers, admits the job, and whether its
// sources will work.
func (d *doctor) job(ctx context.Context, name string, answers bool) []holdfast.Examination {
	var all []holdfast.Examination
	if answers {
		all = append(all, d.admitted(ctx, name))
	}
	j := d.Config.Jobs[name]
	if j.Spool != "" {
		all = append(all, d.writable("spool directory", j.Spool))
	}
	all = append(all, hooks(j.Hooks)...)
	sources, err := open.Open(name, j.Sources, nil)
	if err != nil {
		return append(all, bad("sources", err, ""))
	}
	for _, s := range sources {
		for _, e := range s.Source.Examine(ctx) {
			e.Name = s.Name + ": " + e.Name
			all = append(all, e)
		}
	}
	return all
}

// admitted begins a backup of the job and aborts it.
func (d *doctor) admitted(ctx context.Context, job string) holdfast.Examination {
	const name = "admitted"
	started, err := d.Client.Start(ctx, api.StartRequest{Job: job, Streams: probeStreams, Pusher: d.Version})
	if err != nil {
		hint := "is this host with this key and this job in holdfast.yaml, and the server reloaded?"
		var said interface{ Hint() string }
		if errors.As(err, &said) {
			hint = said.Hint()
		}
		return bad(name, err, hint)
	}
	if err := d.Client.Abort(ctx, started.ID, api.AbortRequest{UploadToken: started.UploadToken, Reason: "doctor"}); err != nil {
		return bad(name, err, "")
	}
	return good(name, fmt.Sprintf("up to %s a backup", holdfast.Size(started.MaxSize)))
}

// probeStreams are those of a backup that is begun to be aborted.
var probeStreams = []api.StartStream{{Name: "doctor", File: "doctor.probe"}}
