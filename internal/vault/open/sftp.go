package open

import (
	"context"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/vault/direct"
)

// openSFTP returns the vault in a directory on a server. It signs nothing: hosts
// send by themselves.
func openSFTP(ctx context.Context, c *config.SFTP, o Options) (holdfast.Vault, error) {
	return direct.SFTP(ctx, *c, direct.Options{Secrets: o.Secrets, Existing: !o.Create, Now: o.Now, Log: o.Log})
}
