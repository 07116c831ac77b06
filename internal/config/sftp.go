package config

import (
	"regexp"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/sshca"
)

// SFTP is a directory on a server that is reached by SSH. Who writes there
// proves itself with an SSH key of its own; nobody signs for it.
type SFTP struct {
	// Name or address of the server.
	Host string `yaml:"host"`
	// Its port; a Hetzner Storage Box has 23. Default 22.
	Port int `yaml:"port"`
	// The user to log in as.
	User string `yaml:"user"`
	// The directory there; made if it is not there. Without a slash in front it is relative to where
	// the server puts the user. Default: that place itself.
	Path string `yaml:"path"`
	// The private key to log in with, in OpenSSH's format, by reference, such as file:nas.key.
	Key secret.Ref `yaml:"key"`
	// The key's passphrase, by reference. Default: it has none.
	Passphrase secret.Ref `yaml:"passphrase"`
	// The server's own key: a fingerprint (SHA256:…) or a public key (ssh-ed25519 AAAA…). Several
	// where the server is about to get another. Each connection is checked against them.
	HostKey []string `yaml:"host_key"`
	// A file in the format of OpenSSH's known_hosts, instead of host_key. A relative path is relative
	// to this file.
	KnownHosts string `yaml:"known_hosts"`
	// Have the broker sign a short-lived SSH certificate for the key, for servers that trust the
	// broker's authority: the name that the vault has in holdfast.yaml. Default: the key alone.
	Certificate string `yaml:"certificate"`
	// In holdfast.yaml: the broker signs such certificates for the hosts of this vault's jobs.
	Certificates *SSHCertificates `yaml:"certificates"`
	// How many requests are on their way at once on a connection. Default 64.
	Requests int `yaml:"requests"`
}

// SSHCertificates says what the broker signs as an SSH certificate authority.
type SSHCertificates struct {
	// The authority's private key, in OpenSSH's format (ssh-ed25519), by reference. The server trusts
	// its public half: TrustedUserCAKeys in sshd_config.
	Authority secret.Ref `yaml:"authority"`
	// The user that hosts log in as with one, as the hosts' own files have it. Not the vault's user:
	// that one may remove backups.
	User string `yaml:"user"`
	// What runs on the server instead of whatever the host asks for: internal-sftp and its options;
	// {host} stands for the host's name. Default: nothing is renamed or removed (internal-sftp -u 0007 -P
	// remove,rmdir,rename,…); docs/sftp.md says what else it takes.
	Command string `yaml:"command"`
	// How long after signing one can be used to log in, up to 24h. Default 10m.
	For holdfast.Span `yaml:"for"`
}

// check notes what is wrong with c, of a vault that is reached as owner.
func (c *SSHCertificates) check(d *document, at, owner string) {
	d.required(join(at, "authority"), string(c.Authority))
	if d.required(join(at, "user"), c.User) && c.User == owner {
		d.errorf(join(at, "user"), "%q is the vault's own user, who may remove backups; want one that hosts alone log in as", owner)
	}
	if c.Command != "" {
		if err := sshca.CheckCommand(c.Command); err != nil {
			d.errorf(join(at, "command"), "%v", err)
		}
	}
	if p := join(at, "for"); d.given(p) {
		if err := sshca.CheckLife(c.For.Duration()); err != nil {
			d.errorf(p, "%s: %v", c.For, err)
		}
	}
}

var fingerprint = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)

// unfilled stands in place of a fingerprint that is yet to be asked for.
const unfilled = "SHA256:…"

// maxRequests bounds what waits in memory: each request carries 32 KiB.
const maxRequests = 256

// check notes what is wrong with s and fills in what has a fixed default.
func (s *SFTP) check(d *document, at string) {
	if d.required(join(at, "host"), s.Host) && strings.ContainsAny(s.Host, " /@") {
		d.errorf(join(at, "host"), "%q: want a name or address; user, port and path have keys of their own", s.Host)
	}
	if p := join(at, "port"); d.given(p) && (s.Port < 1 || s.Port > 65535) {
		d.errorf(p, "%d: want 1 to 65535", s.Port)
	}
	if s.Port == 0 {
		s.Port = 22
	}
	d.required(join(at, "user"), s.User)
	if strings.Contains("/"+s.Path+"/", "/../") {
		d.errorf(join(at, "path"), "%q: want a path without ..", s.Path)
	}
	d.required(join(at, "key"), string(s.Key))
	switch {
	case len(s.HostKey) == 0 && s.KnownHosts == "":
		d.errorf(join(at, "host_key"), "is missing; want the server's fingerprint or public key, or a known_hosts file: without one anybody could pass for the server")
	case len(s.HostKey) > 0 && s.KnownHosts != "":
		d.errorf(join(at, "known_hosts"), "host_key is given too, want one of them")
	}
	for i, key := range s.HostKey {
		if key == unfilled {
			d.errorf(index(join(at, "host_key"), i), "is not filled in; what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the server goes here, from SHA256: on")
			continue
		}
		if words := strings.Fields(key); !fingerprint.MatchString(key) && len(words) < 2 {
			d.errorf(index(join(at, "host_key"), i), "want a fingerprint (SHA256:…) or a public key (ssh-ed25519 AAAA…)")
		}
	}
	if s.KnownHosts != "" {
		s.KnownHosts = d.resolve(join(at, "known_hosts"), s.KnownHosts)
	}
	if s.Certificates != nil {
		s.Certificates.check(d, join(at, "certificates"), s.User)
	}
	if p := join(at, "requests"); d.given(p) && (s.Requests < 1 || s.Requests > maxRequests) {
		d.errorf(p, "%d: want 1 to %d", s.Requests, maxRequests)
	}
	if s.Requests == 0 {
		s.Requests = 64
	}
}
