package main

import (
	"time"

	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/push"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/stream"
)

// encrypt sets who can decrypt the job's backups. A recipient that is none is a
// mistake in pusher.yaml; a key that has expired since, or a passphrase that is
// gone, breaks the job: its run fails and is reported, like any other.
func encrypt(job *push.Job, c *config.Pusher, now time.Time) error {
	recipients, secrets, err := recipients(c, now)
	if err != nil && len(c.EncryptTo.Recipients) > 0 {
		return cli.Usage(err)
	}
	job.Options.Recipients, job.Broken = recipients, err
	job.Secrets = append(job.Secrets, secrets...)
	return nil
}

// recipients returns who can decrypt, and what of it must not be shown.
func recipients(c *config.Pusher, now time.Time) (r stream.Recipients, secrets []secret.Secret, err error) {
	switch to := c.EncryptTo; {
	case to.None:
		return stream.Recipients{}, nil, nil
	case to.Passphrase != "":
		var passphrase secret.Secret
		if passphrase, err = to.Passphrase.Resolve(); err == nil {
			secrets = append(secrets, passphrase)
			r, err = stream.Passphrase(passphrase)
		}
	case len(to.OpenPGP) > 0:
		var keys []stream.PublicKey
		if keys, err = stream.ReadPublicKeys(to.OpenPGP, now); err == nil {
			r, err = stream.OpenPGP(keys...)
		}
	default:
		r, err = stream.ParseRecipients(to.Recipients)
	}
	if err != nil {
		return stream.Recipients{}, secrets, c.At("encrypt_to", c.Locate(err))
	}
	return r, secrets, nil
}
