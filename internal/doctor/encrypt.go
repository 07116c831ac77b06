package doctor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/stream"
)

// expiryNotice is how long before a key expires it is complained about.
const expiryNotice = 30 * 24 * time.Hour

// recipients looks at who can decrypt.
func (d *doctor) recipients() holdfast.Examination {
	const name = "recipients"
	to := d.Config.EncryptTo
	if to.None {
		return good(name, "none: backups are stored unencrypted, as encrypt_to says")
	}
	who, err := d.Recipients()
	if err == nil && who.None() {
		err = errors.New("none, and encrypt_to does not say none")
	}
	switch {
	case err != nil:
		return bad(name, err, recipientHint(to))
	case to.Passphrase != "":
		return good(name, fmt.Sprintf("who knows the passphrase in %s can decrypt, this host too", to.Passphrase))
	}
	return expiring(name, who, d.Now())
}

func recipientHint(to config.EncryptTo) string {
	switch {
	case to.Passphrase != "":
		return "openssl rand -base64 24 prints a good one; keep it elsewhere too, without it nothing restores"
	case len(to.OpenPGP) > 0:
		return "gpg --armor --export KEY prints a public key; for one that has expired or is revoked take another"
	}
	return "age-keygen -y IDENTITY prints the recipient of an identity"
}

// expiring looks at when keys expire: from then on every backup fails.
func expiring(name string, who stream.Recipients, now time.Time) holdfast.Examination {
	names := who.Names()
	for i, end := range who.Expires() {
		if end.IsZero() {
			continue
		}
		on := end.Format(time.DateOnly)
		if end.Before(now.Add(expiryNotice)) {
			return bad(name, fmt.Errorf("OpenPGP key %s expires on %s, and from then on backups fail", names[i], on),
				"where its secret key is: gpg --quick-set-expire FINGERPRINT 2y, the same with '*' behind it for the subkeys, and export it again")
		}
		names[i] += " until " + on
	}
	return good(name, fmt.Sprintf("%d can decrypt: %s", len(names), strings.Join(names, ", ")))
}
