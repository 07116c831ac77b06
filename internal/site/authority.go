package site

import (
	"context"
	"fmt"

	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/sshca"
)

// Authorities returns the SSH certificate authorities of the vaults that have
// one, by the vault's name.
func Authorities(ctx context.Context, c *config.Holdfast, secrets secret.Resolver) (map[string]*sshca.Authority, error) {
	all := map[string]*sshca.Authority{}
	for name, v := range c.Vaults {
		if v.SFTP == nil || v.SFTP.Certificates == nil {
			continue
		}
		asked := v.SFTP.Certificates
		key, err := secrets(ctx, asked.Authority)
		if err != nil {
			return nil, fmt.Errorf("vault %q: authority: %w", name, err)
		}
		authority, err := sshca.New(key, sshca.Options{Principal: asked.User, Command: asked.Command, Life: asked.For.Duration()})
		if err != nil {
			return nil, fmt.Errorf("vault %q: %w", name, err)
		}
		all[name] = authority
	}
	return all, nil
}
