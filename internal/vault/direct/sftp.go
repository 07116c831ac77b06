package direct

import (
	"context"
	"fmt"

	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/vault/sftp"
)

// SFTP opens the vault in a directory on a server. It fetches the keys, and does not
// connect before the vault is used.
func SFTP(ctx context.Context, c config.SFTP, o Options) (Vault, error) {
	fetch := o.Secrets
	if fetch == nil {
		fetch = secret.Local
	}
	key, err := fetch(ctx, c.Key)
	if err != nil {
		return nil, fmt.Errorf("open vault at %s: key: %w", c.Host, err)
	}
	var passphrase secret.Secret
	if c.Passphrase != "" {
		if passphrase, err = fetch(ctx, c.Passphrase); err != nil {
			return nil, fmt.Errorf("open vault at %s: passphrase: %w", c.Host, err)
		}
	}
	options := sftp.Options{
		Host: c.Host, Port: c.Port, User: c.User, Path: c.Path, Key: key, Passphrase: passphrase,
		HostKeys: c.HostKey, KnownHosts: c.KnownHosts, Requests: c.Requests, Create: !o.Existing, Now: o.Now, Log: o.Log,
	}
	if c.Certificate != "" {
		if o.Certify == nil {
			return nil, fmt.Errorf("open vault at %s: a certificate is asked for, and nobody here gets one", c.Host)
		}
		options.Certify = o.Certify
	}
	v, err := sftp.New(options)
	if err != nil {
		return nil, err // a typed nil must not become a vault
	}
	return v, nil
}
