package config

import (
	"maps"
	"slices"
)

// Destination is one place that backups are sent to: exactly one of the kinds.
type Destination struct {
	// Another broker.
	Broker *OtherBroker `yaml:"broker"`
	// A directory on a server, written to with this host's own SSH key. What this host can write there,
	// whoever takes it over can too; docs/sftp.md says what that rests on.
	SFTP *SFTP `yaml:"sftp"`
	// A directory on this host, for the quickest restore.
	Disk *LocalDisk `yaml:"disk"`
}

// OtherBroker is a broker beside the first.
type OtherBroker struct {
	// Its URL. Plain http is accepted for loopback addresses only.
	URL string `yaml:"url"`
}

// LocalDisk is a directory of this host's.
type LocalDisk struct {
	// Its absolute path. No run makes it, so that a disk that is not mounted is noticed: below a mount
	// point, name a directory of that disk.
	Path string `yaml:"path"`
	// Which backups to keep there, applied after each run. Default: everything.
	Keep Keep `yaml:"keep"`
}

// BrokerDestination is the name of the destination that the key broker stands for.
const BrokerDestination = "broker"

// DestinationNames returns the names of all destinations there are, the broker's
// first, then the others in order.
func (c *Pusher) DestinationNames() []string {
	var names []string
	if c.Broker != "" {
		names = append(names, BrokerDestination)
	}
	return append(names, slices.Sorted(maps.Keys(c.Destinations))...)
}

// To returns the names of the destinations of the job, in order.
func (c *Pusher) To(j PusherJob) []string {
	if len(j.To) == 0 {
		return c.DestinationNames()
	}
	return j.To
}

// checkDestinations notes what is wrong with the places that backups are sent to.
func (c *Pusher) checkDestinations(d *document) {
	switch {
	case c.Broker != "":
		d.checkBroker("broker", c.Broker)
	case len(c.Destinations) == 0:
		d.errorf("broker", "is missing, and so is destinations; backups have to go somewhere")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Destinations)) {
		at, to := join("destinations", name), c.Destinations[name]
		d.checkName(at, "destination", name)
		if name == BrokerDestination && c.Broker != "" {
			d.errorf(at, "the key broker is the destination of that name")
		}
		d.checkOneKind(at, "destination", to)
		switch {
		case to.Broker != nil:
			d.checkBroker(join(at, "broker", "url"), to.Broker.URL)
		case to.SFTP != nil:
			to.SFTP.check(d, join(at, "sftp"))
			if to.SFTP.Certificates != nil {
				d.errorf(join(at, "sftp", "certificates"), "belongs in holdfast.yaml; here goes certificate, the vault's name there")
			}
			if to.SFTP.Certificate != "" && c.Broker == "" {
				d.errorf(join(at, "sftp", "certificate"), "needs broker, which signs it")
			}
		case to.Disk != nil:
			if d.required(join(at, "disk", "path"), to.Disk.Path) {
				d.checkAbsolute(join(at, "disk", "path"), to.Disk.Path)
			}
			to.Disk.Keep.check(d, join(at, "disk", "keep"))
		}
	}
}

// checkTo notes names of destinations that there are not.
func (j *PusherJob) checkTo(d *document, path string, all []string) {
	at := join(path, "to")
	if d.given(at) && len(j.To) == 0 {
		d.errorf(at, "is empty; leave it out for all destinations")
	}
	for i, name := range j.To {
		switch {
		case !slices.Contains(all, name):
			d.errorf(index(at, i), "unknown destination %s", unknown(name, all))
		case slices.Index(j.To, name) < i:
			d.errorf(index(at, i), "%s occurs twice", name)
		}
	}
}
