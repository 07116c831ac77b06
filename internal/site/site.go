// Package site makes a configuration live: it opens the vaults, fetches the
// broker's secrets, and holds the registry that is in force. The server, the
// functions and the operator's commands share it; which of the vaults and which
// secrets they want is theirs to say.
package site

import (
	"context"
	"fmt"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/token"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

// Sealer returns what signs the broker's own tokens. The operator's commands
// make the same, where they have the configuration.
func Sealer(ctx context.Context, c *config.Holdfast, secrets secret.Resolver) (*token.Sealer, error) {
	audience, err := token.Audience(c.Broker.URL)
	if err != nil {
		return nil, fmt.Errorf("broker.url: %w", err)
	}
	current, err := secrets(ctx, c.Broker.Secret)
	if err != nil {
		return nil, fmt.Errorf("broker.secret: %w", err)
	}
	var old []secret.Secret
	if c.Broker.OldSecret != "" {
		before, err := secrets(ctx, c.Broker.OldSecret)
		if err != nil {
			return nil, fmt.Errorf("broker.old_secret: %w", err)
		}
		old = append(old, before)
	}
	return token.NewSealer(audience, current, old...)
}

// Vaults opens the vaults, each with the options of its name.
func Vaults(ctx context.Context, vaults map[string]config.Vault, options func(name string) open.Options) (map[string]holdfast.Vault, error) {
	opened := map[string]holdfast.Vault{}
	for name, v := range vaults {
		vault, err := open.Open(ctx, v, options(name))
		if err != nil {
			return nil, fmt.Errorf("vault %q: %w", name, err)
		}
		opened[name] = vault
	}
	return opened, nil
}
