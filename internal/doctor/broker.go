package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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
func (d *broker) health(ctx context.Context) (e holdfast.Examination, answers bool) {
	const name = "broker"
	defer func() { e = d.called(e) }()
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
		return bad(name, fmt.Errorf("%s: a vault is not reachable: %v", d.URL, down), "look at the server's log"), true
	}
	return good(name, fmt.Sprintf("%s, version %s, vaults reachable", d.URL, h.Version)), true
}

func (d *broker) clock(ctx context.Context) holdfast.Examination { return d.called(d.skew(ctx)) }

func (d *broker) skew(ctx context.Context) holdfast.Examination {
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

// job looks whether the brokers that answer admit the job, and whether its sources
// will work.
func (d *doctor) job(ctx context.Context, name string, brokers []*broker) []holdfast.Examination {
	var all []holdfast.Examination
	j := d.Config.Jobs[name]
	for _, b := range brokers {
		if slices.Contains(d.Config.To(j), b.Name) {
			all = append(all, b.called(b.admitted(ctx, name)))
		}
	}
	if j.Spool != "" {
		all = append(all, d.writable("spool directory", j.Spool))
	}
	all = append(all, hooks(j.Hooks)...)
	sources, err := open.Open(name, j.Sources, nil)
	if err != nil {
		return append(all, bad("sources", d.Config.Locate(err), ""))
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
func (b *broker) admitted(ctx context.Context, job string) holdfast.Examination {
	const name = "admitted"
	started, err := b.Client.Start(ctx, api.StartRequest{Job: job, Streams: probeStreams, Pusher: b.Version})
	if err != nil {
		hint := "is this host with this key and this job in holdfast.yaml, and the server reloaded?"
		var said interface{ Hint() string }
		if errors.As(err, &said) {
			hint = said.Hint()
		}
		return bad(name, err, hint)
	}
	for _, v := range started.Vaults {
		if err := b.Client.Abort(ctx, started.ID, api.AbortRequest{UploadToken: v.UploadToken, Reason: "doctor"}); err != nil {
			return bad(name, err, "")
		}
	}
	if down := started.Unavailable; len(down) > 0 {
		return bad(name, fmt.Errorf("not into vault %q: %s", holdfast.Printable(down[0].Vault), holdfast.Printable(down[0].Reason)), "look at the server's log")
	}
	for _, vault := range started.Direct {
		if !b.reaches(vault) {
			return bad(name, fmt.Errorf("the job also belongs into vault %q, which hosts have to reach by themselves, and no destination of this host is that", holdfast.Printable(vault)),
				"add it below destinations in pusher.yaml")
		}
	}
	return good(name, about(started))
}

// reaches reports whether a destination may be that vault.
func (d *doctor) reaches(vault string) bool {
	for name, to := range d.Config.Destinations {
		if name == vault || to.SFTP != nil {
			return true
		}
	}
	return false
}

// about says where a backup was admitted and how large it may be.
func about(started api.StartResponse) string {
	var texts []string
	for _, v := range started.Vaults {
		text := fmt.Sprintf("up to %s a backup", holdfast.Size(v.MaxSize))
		if len(started.Vaults) > 1 {
			text = holdfast.Printable(v.Vault) + ": " + text
		}
		texts = append(texts, text)
	}
	for _, vault := range started.Direct {
		texts = append(texts, fmt.Sprintf("into %q by itself", holdfast.Printable(vault)))
	}
	return strings.Join(texts, ", ")
}

// probeStreams are those of a backup that is begun to be aborted.
var probeStreams = []api.StartStream{{Name: "doctor", File: "doctor.probe"}}
