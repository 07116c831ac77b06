package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/client"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/doctor"
	"github.com/holdfast-backup/holdfast/internal/push"
	"github.com/holdfast-backup/holdfast/internal/token"
	"github.com/holdfast-backup/holdfast/internal/vault/direct"
	"github.com/holdfast-backup/holdfast/internal/vault/sftp"
)

// destinations makes the destinations of a host.
type destinations struct {
	config  *config.Pusher
	log     *slog.Logger              // of the vaults that this host reaches by itself
	brokers map[string]*client.Client // by the destination's name
}

// newDestinations checks how the brokers are reached. Nothing is opened yet.
func newDestinations(c *config.Pusher, key ed25519.PrivateKey, log *slog.Logger) (*destinations, error) {
	d := &destinations{config: c, log: log, brokers: map[string]*client.Client{}}
	for _, name := range c.DestinationNames() {
		url := d.url(name)
		if url == "" {
			continue
		}
		broker, err := newClient(c, key, url)
		if err != nil {
			return nil, err
		}
		d.brokers[name] = broker
	}
	return d, nil
}

// newClient returns a client of a broker that signs with this host's key.
func newClient(c *config.Pusher, key ed25519.PrivateKey, url string) (*client.Client, error) {
	signer, err := token.NewSigner(key, c.Host, url)
	if err != nil {
		return nil, cli.Usage(err)
	}
	broker, err := client.New(client.Options{BaseURL: url, Signer: signer, UserAgent: "pusher/" + version})
	return broker, cli.Usage(err)
}

// diskStall is how long a directory may show no headway. A disk that spins up, or
// writes back what was buffered for it, is done long before.
const diskStall = 10 * time.Minute

// of returns the destinations of the host as a run of the job reaches them.
func (d *destinations) of(job string) ([]push.Destination, error) {
	var all []push.Destination
	for _, name := range d.config.DestinationNames() {
		to, err := d.named(name, job)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("destination %q: %w", name, err))
		}
		all = append(all, to)
	}
	return all, nil
}

func (d *destinations) named(name, job string) (push.Destination, error) {
	if broker, ok := d.brokers[name]; ok {
		return push.NewBroker(name, broker, push.NewHTTPClient(), time.Now), nil
	}
	to := d.config.Destinations[name]
	o := push.DirectOptions{Name: name, Kind: push.KindSFTP, Final: hopeless}
	o.Open = func(ctx context.Context) (push.DirectVault, error) { return d.open(ctx, to, job) }
	if to.Disk != nil {
		policy, err := keeping(to.Disk.Keep)
		if err != nil {
			return nil, err
		}
		o.Kind, o.Policy, o.Stall = push.KindDisk, &policy, diskStall
	}
	return push.NewDirect(o), nil
}

// open opens a vault that this host reaches by itself. A directory of its own is made
// by whoever sets it up, and by no run: where a disk is not mounted, backups would fill
// the one below and pass for being on it.
func (d *destinations) open(ctx context.Context, to config.Destination, job string) (direct.Vault, error) {
	if to.Disk != nil {
		return direct.Disk(to.Disk.Path, direct.Options{Existing: true, Log: d.log})
	}
	vault, err := direct.SFTP(ctx, *to.SFTP, direct.Options{Log: d.log, Certify: d.certify(*to.SFTP, job)})
	return vault, d.config.Locate(err)
}

// examined returns the brokers for the doctor, that of the key broker first.
func (d *destinations) examined() []doctor.Broker {
	var all []doctor.Broker
	for _, name := range d.config.DestinationNames() {
		if broker, ok := d.brokers[name]; ok {
			all = append(all, doctor.Broker{Name: name, URL: d.url(name), Client: broker})
		}
	}
	return all
}

// url returns where a broker is; "" for a destination that is none.
func (d *destinations) url(name string) string {
	if to, ok := d.config.Destinations[name]; ok {
		if to.Broker == nil {
			return ""
		}
		return to.Broker.URL
	}
	return d.config.Broker
}

// certify returns how the key broker is asked for SSH certificates; nil where
// none are wanted.
func (d *destinations) certify(c config.SFTP, job string) func(context.Context, string) (string, error) {
	if c.Certificate == "" {
		return nil
	}
	return func(ctx context.Context, public string) (string, error) {
		answer, err := d.brokers[config.BrokerDestination].Certificate(ctx, api.CertificateRequest{Job: job, Vault: c.Certificate, PublicKey: public})
		return answer.Certificate, err
	}
}

// hopeless reports whether a server will not say otherwise if it is asked again.
func hopeless(err error) bool {
	return errors.Is(err, direct.ErrNoDirectory) || errors.Is(err, sftp.ErrHostKey) || errors.Is(err, sftp.ErrRefused) || errors.Is(err, sftp.ErrNoDirectory) || errors.Is(err, sftp.ErrDenied)
}

// keeping returns what is kept in a directory of this host's. How often backups
// arrive there nobody has said, so nothing is judged by that.
func keeping(k config.Keep) (holdfast.Policy, error) {
	policy, err := config.Job{Keep: k}.Policy()
	policy.Expect.Every, policy.Expect.Grace = holdfast.Span{}, holdfast.Span{}
	return policy, err
}

// limit leaves the job those of its destinations that are named, and reports
// whether there are any. A run that leaves some out says nothing to a heartbeat: it
// proves less than that asks for.
func limit(job *push.Job, names []string) bool {
	to := slices.DeleteFunc(slices.Clone(job.To), func(name string) bool { return !slices.Contains(names, name) })
	if len(to) < len(job.To) {
		job.Heartbeat = push.Heartbeat{}
	}
	job.To = to
	return len(to) > 0
}

// checkTo refuses names of destinations that there are not.
func checkTo(c *config.Pusher, names []string) error {
	all := c.DestinationNames()
	for _, name := range names {
		if !slices.Contains(all, name) {
			return cli.Usage(fmt.Errorf("--to %s: pusher.yaml has %s", name, strings.Join(all, ", ")))
		}
	}
	return nil
}
