package config

import (
	"strconv"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Starter is what the pusher.yaml begins with that `pusher init` writes. Paths may
// be relative to the file.
type Starter struct {
	Host   string
	Broker string // without one backups go to SFTP, or to the directory Local
	Local  string
	Key    string // path of the host's key
	// SFTP is a server to send to by this host itself, if not nil.
	SFTP *StarterSFTP
	// Who can decrypt: one of these, or nobody has to and the file says so.
	Recipient  string // of age
	OpenPGP    string // path of a public key
	Passphrase secret.Ref
}

// StarterSFTP is a destination that is a server.
type StarterSFTP struct {
	Name             string // of the destination
	Host, User, Path string
	Port             int
	Key              secret.Ref
	// HostKey is the fingerprint of the server's key. Without it the file has a place
	// to fill in, and is no valid one until then.
	HostKey string
}

// StarterPusher returns the pusher.yaml that `pusher init` writes: valid but for a
// fingerprint that nobody has, with one job to begin with.
func StarterPusher(s Starter) string {
	values := map[string]string{
		"host": s.Host, "broker": s.Broker, "key": s.Key,
		"recipient": s.Recipient, "openpgp": s.OpenPGP, "passphrase": string(s.Passphrase),
	}
	if s.Recipient == "" && s.OpenPGP == "" && s.Passphrase == "" {
		values["plain"] = "yes"
	}
	switch to := s.SFTP; {
	case to != nil:
		values["name"], values["server"], values["user"], values["path"] = to.Name, to.Host, to.User, to.Path
		values["sftpkey"], values["hostkey"] = string(to.Key), to.HostKey
		if to.HostKey == "" {
			values["keyless"] = "yes"
		}
		if to.Port != 22 {
			values["port"] = strconv.Itoa(to.Port)
		}
	case s.Broker == "":
		values["local"] = s.Local
	}
	return fill(pusherStarter, values)
}
