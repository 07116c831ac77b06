package open

import (
	"context"
	"fmt"

	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/vault/b2"
)

// openB2 returns the vault in the bucket of the configuration. It asks the bucket
// nothing.
func openB2(ctx context.Context, c *config.B2, o Options) (*b2.Vault, error) {
	id, err := resolve(ctx, o.Secrets, "key_id", c.KeyID)
	if err != nil {
		return nil, fmt.Errorf("open vault %q: %w", c.Bucket, err)
	}
	key, err := resolve(ctx, o.Secrets, "application_key", c.Key)
	if err != nil {
		return nil, fmt.Errorf("open vault %q: %w", c.Bucket, err)
	}
	return b2.New(b2.Options{Bucket: c.Bucket, Prefix: c.Prefix, KeyID: id.Reveal(), Key: key, API: c.API, Now: o.Now})
}
