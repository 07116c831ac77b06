// Package doctor proves, on the host itself, both halves of what a backup rests
// on: that what must work does, and that what an attacker with everything on
// this host would try does not, as far as a broker stands between. Where this host
// holds a vault's own credentials it tells what they allow. It leaves no backup
// behind: it begins one per job, and aborts it.
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
	"github.com/holdfast-backup/holdfast/internal/stream"
	"github.com/holdfast-backup/holdfast/internal/vault/direct"
)

// Options are what a host has.
type Options struct {
	Config     *config.Pusher
	ConfigPath string
	StateDir   string
	Key        ed25519.PrivateKey
	Brokers    []Broker
	// Open opens the vault of a destination that this host reaches by itself.
	Open func(ctx context.Context, name string) (direct.Vault, error)
	// Recipients returns who can decrypt.
	Recipients func() (stream.Recipients, error)
	HTTP       *http.Client // for what no proper client would send; must not follow redirects
	Version    string
	Now        func() time.Time
}

// Broker is a destination that is one.
type Broker struct {
	Name, URL string
	Client    *client.Client // signs with Options.Key
}

// Report is everything that was looked at.
type Report struct {
	// Host, Broker and Jobs must be as they are expected; Broker is empty where
	// there is none.
	Host   []holdfast.Examination `json:"host"`
	Broker []holdfast.Examination `json:"broker"`
	// Direct are the destinations that this host reaches by itself.
	Direct []DirectReport `json:"direct,omitempty"`
	Jobs   []JobReport    `json:"jobs"`
	// Attacks are attempts at brokers that must fail; OK says that they did. There
	// are none where no broker answered.
	Attacks []holdfast.Examination `json:"attacks"`
}

// DirectReport is what was looked at of one destination that this host reaches by
// itself.
type DirectReport struct {
	Name     string                 `json:"name"`
	Kind     string                 `json:"kind"`
	Examined []holdfast.Examination `json:"examined"` // must be as expected
	// Exposed are attempts of whoever takes over this host. One that is not refused
	// is no failure: it is what such a destination is, and has to be known.
	Exposed []holdfast.Examination `json:"exposed"`
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
	return len(r.Broker) == 0 || len(r.Attacks) > 0 // none tried is none refused
}

func (r Report) all() []holdfast.Examination {
	all := slices.Concat(r.Host, r.Broker, r.Attacks)
	for _, d := range r.Direct {
		all = append(all, d.Examined...)
	}
	for _, j := range r.Jobs {
		all = append(all, j.Examined...)
	}
	return all
}

// Run looks at everything.
func Run(ctx context.Context, o Options) Report {
	d := &doctor{o}
	r := Report{Host: d.host()}
	var answering []*broker
	for _, b := range o.Brokers {
		asked := &broker{d, b}
		health, answers := asked.health(ctx)
		r.Broker = append(r.Broker, health)
		if answers {
			r.Broker = append(r.Broker, asked.clock(ctx))
			answering = append(answering, asked)
		}
	}
	for _, name := range o.Config.DestinationNames() {
		if to := o.Config.Destinations[name]; to.SFTP != nil || to.Disk != nil {
			r.Direct = append(r.Direct, d.direct(ctx, name, to))
		}
	}
	for _, name := range o.jobNames() {
		r.Jobs = append(r.Jobs, JobReport{name, d.job(ctx, name, answering)})
	}
	for _, b := range answering {
		r.Attacks = append(r.Attacks, b.attacks(ctx)...)
	}
	return r
}

type doctor struct{ Options }

// broker is one that is looked at.
type broker struct {
	*doctor
	Broker
}

// called returns the examination under a name that says which broker it is of,
// unless that is the one below the key broker.
func (b *broker) called(e holdfast.Examination) holdfast.Examination {
	if b.Name != config.BrokerDestination {
		e.Name = b.Name + ": " + e.Name
	}
	return e
}

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
