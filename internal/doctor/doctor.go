// Package doctor proves, on the host itself, both halves of what a backup rests
// on: that what must work does, and that what an attacker with everything on
// this host would try does not. It leaves no backup behind: it begins one per
// job, and aborts it.
package doctor

import (
	"context"
	"crypto/ed25519"
	"net/http"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/client"
	"github.com/holdfast-backup/holdfast/internal/config"
)

// Options are what a host has.
type Options struct {
	Config     *config.Pusher
	ConfigPath string
	StateDir   string
	Key        ed25519.PrivateKey
	Client     *client.Client // signs with Key
	HTTP       *http.Client   // for what no proper client would send; must not follow redirects
	Version    string
	Now        func() time.Time
}

// Report is everything that was looked at.
type Report struct {
	// Host, Broker and Jobs must be as they are expected.
	Host   []holdfast.Examination `json:"host"`
	Broker []holdfast.Examination `json:"broker"`
	Jobs   []JobReport            `json:"jobs"`
	// Attacks are attempts that must fail; OK says that they did. There are
	// none where the broker did not answer.
	Attacks []holdfast.Examination `json:"attacks"`
}

// JobReport is what was looked at for one job.
type JobReport struct {
	Job string `json:"job"`
	// Examined holds what the sources, hooks and directories of the job say.
	Examined []holdfast.Examination `json:"examined"`
}

// OK reports whether everything is as it must be.
func (r Report) OK() bool {
	for _, e := range r.all() {
		if !e.OK {
			return false
		}
	}
	return len(r.Attacks) > 0 // none tried is none refused
}

func (r Report) all() []holdfast.Examination {
	all := slices.Concat(r.Host, r.Broker, r.Attacks)
	for _, j := range r.Jobs {
		all = append(all, j.Examined...)
	}
	return all
}

// Run looks at everything.
func Run(ctx context.Context, o Options) Report {
	d := &doctor{o}
	health, answers := d.health(ctx)
	r := Report{Host: d.host(), Broker: []holdfast.Examination{health}}
	if answers {
		r.Broker = append(r.Broker, d.clock(ctx))
	}
	for _, name := range o.jobNames() {
		r.Jobs = append(r.Jobs, JobReport{name, d.job(ctx, name, answers)})
	}
	if answers {
		r.Attacks = d.attacks(ctx)
	}
	return r
}

type doctor struct{ Options }

func (o Options) jobNames() []string {
	var names []string
	for name := range o.Config.Jobs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// good and bad are examinations that came out one way or the other.
func good(name, detail string) holdfast.Examination {
	return holdfast.Examination{Name: name, OK: true, Detail: detail}
}

func bad(name string, err error, hint string) holdfast.Examination {
	return holdfast.Examination{Name: name, Detail: err.Error(), Hint: hint}
}
