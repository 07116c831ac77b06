package config

import (
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// check notes what is wrong with c and fills in what has a fixed default.
func (c *Holdfast) check(d *document) {
	c.places = d.where()
	c.Broker.check(d)
	c.checkVaults(d)
	c.checkKeys(d)
	for _, name := range slices.Sorted(maps.Keys(c.Hosts)) {
		at := join("hosts", name)
		d.checkName(at, "host", name)
		c.checkHost(d, at, name)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Operators)) {
		at := join("operators", name)
		d.checkName(at, "operator", name)
		for i, pattern := range c.Operators[name].Jobs {
			host, job, ok := strings.Cut(pattern, "/")
			if !ok || !isPattern(host) || !isPattern(job) {
				d.errorf(index(join(at, "jobs"), i), "%q: want host/job, in which * stands for any letters", pattern)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Jobs)) {
		c.checkJob(d, name, c.Jobs[name])
	}
	c.checkAlerts(d)
	d.checkPositive("schedule.retention", c.Schedule.Retention)
	if c.Schedule.Retention.IsZero() {
		c.Schedule.Retention = holdfast.Span{N: 1, Unit: holdfast.Hour}
	}
	d.checkPositive("schedule.monitor", c.Schedule.Monitor)
	if c.Schedule.Monitor.IsZero() {
		c.Schedule.Monitor = holdfast.Span{N: 5, Unit: holdfast.Minute}
	}
}

func (b *Broker) check(d *document) {
	if b.URL != "" {
		d.checkBroker("broker.url", b.URL)
	}
	if b.Listen == "" {
		b.Listen = "127.0.0.1:8420"
	}
	if _, _, err := net.SplitHostPort(b.Listen); err != nil {
		d.errorf("broker.listen", "%q: want address:port, such as 127.0.0.1:8420 or :443", b.Listen)
	}
	if b.OldSecret != "" && b.OldSecret == b.Secret {
		d.errorf("broker.old_secret", "is where the present secret is")
	}
	switch {
	case b.TLS.Cert != "" && b.TLS.Key == "":
		d.errorf("broker.tls.key", "is missing; a certificate needs its key")
	case b.TLS.Cert == "" && b.TLS.Key != "":
		d.errorf("broker.tls.cert", "is missing; a key needs its certificate")
	}
	b.TLS.Cert = d.resolve("broker.tls.cert", b.TLS.Cert)
	b.TLS.Key = d.resolve("broker.tls.key", b.TLS.Key)
}

func (c *Holdfast) checkVaults(d *document) {
	if len(c.Vaults) == 0 {
		d.errorf("vaults", "is missing or empty; want at least one place where backups live")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Vaults)) {
		at, v := join("vaults", name), c.Vaults[name]
		d.checkName(at, "vault", name)
		d.checkOneKind(at, "vault", v)
		if v.Disk != nil && d.required(join(at, "disk", "path"), v.Disk.Path) {
			d.checkAbsolute(join(at, "disk", "path"), v.Disk.Path)
		}
		if v.S3 != nil {
			v.S3.check(d, join(at, "s3"))
		}
		if v.B2 != nil {
			v.B2.check(d, join(at, "b2"))
		}
		if v.SFTP != nil {
			v.SFTP.check(d, join(at, "sftp"))
			if v.SFTP.Certificate != "" {
				d.errorf(join(at, "sftp", "certificate"), "belongs in pusher.yaml")
			}
		}
		checkAdopts(d, join(at, "adopt"), v.Adopt)
		if _, err := ParsePrice(v.Price); err != nil {
			d.errorf(join(at, "price"), "%v", err)
		}
	}
}

// checkKeys notes public keys that are none, and those that occur twice: what a
// key signs must be one principal's.
func (c *Holdfast) checkKeys(d *document) {
	first := map[string]string{} // path by key id
	one := func(path, text string) {
		if !d.required(path, text) {
			return
		}
		key, err := holdfast.ParsePublicKey(text)
		if err != nil {
			d.errorf(path, "%v", err)
			return
		}
		id := holdfast.KeyID(key)
		if before, twice := first[id]; twice {
			d.errorf(path, "is the key of %s too", before)
			return
		}
		first[id] = path
	}
	for _, name := range slices.Sorted(maps.Keys(c.Hosts)) {
		at := join("hosts", name)
		one(join(at, "key"), c.Hosts[name].Key)
		for i, key := range c.Hosts[name].RetiredKeys {
			one(index(join(at, "retired_keys"), i), key)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Operators)) {
		one(join("operators", name, "key"), c.Operators[name].Key)
	}
}

func (c *Holdfast) checkHost(d *document, path, name string) {
	h := c.Hosts[name]
	for i, pattern := range h.Jobs {
		at := index(join(path, "jobs"), i)
		switch {
		case !isPattern(pattern):
			d.errorf(at, "job %q: want a name of a-z, 0-9 and hyphens, or a pattern of these with *", pattern)
		case strings.Contains(pattern, "*"):
		default:
			d.checkName(at, "job", pattern)
			if !c.hasVault(name, pattern) {
				d.errorf(at, "there are several vaults, and no entry of jobs says which is %q's", pattern)
			}
		}
	}
	for i, address := range h.Addresses {
		at := index(join(path, "addresses"), i)
		switch prefix, err := parseAddress(address); {
		case err != nil:
			d.errorf(at, "%q: want an address, or a range of them, such as 203.0.113.0/24", address)
		case prefix != prefix.Masked(): // OpenSSH refuses certificates with such a range
			d.errorf(at, "%q: want the range %s, or the address %s", address, prefix.Masked(), prefix.Addr())
		}
	}
	for i, scope := range h.Scopes {
		at := index(join(path, "scopes"), i)
		if scope == holdfast.ScopeRestore {
			d.errorf(at, "a host cannot restore; make an operator for that")
			continue
		}
		d.checkChoice(at, string(scope), string(holdfast.ScopePush), string(holdfast.ScopeReport))
	}
	if d.given(join(path, "scopes")) && len(h.Scopes) == 0 {
		d.errorf(join(path, "scopes"), "is empty; use revoked to cut a host off")
	}
}

// isPattern reports whether s can stand for names of jobs or hosts. Only * is
// special, of all that path.Match knows.
func isPattern(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-*") == ""
}
