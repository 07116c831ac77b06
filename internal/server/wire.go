package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/broker"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/token"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

// vaultPath is where the signed URLs of a vault that has no server of its own
// are served, followed by its name.
const vaultPath = "/v/"

// Sealer returns what signs the broker's own tokens. The operator's commands
// make the same, where they have the configuration.
func Sealer(c *config.Holdfast) (*token.Sealer, error) {
	audience, err := token.Audience(c.Broker.URL)
	if err != nil {
		return nil, fmt.Errorf("broker.url: %w", err)
	}
	current, err := c.Broker.Secret.Resolve()
	if err != nil {
		return nil, fmt.Errorf("broker.secret: %w", err)
	}
	var old []secret.Secret
	if c.Broker.OldSecret != "" {
		before, err := c.Broker.OldSecret.Resolve()
		if err != nil {
			return nil, fmt.Errorf("broker.old_secret: %w", err)
		}
		old = append(old, before)
	}
	return token.NewSealer(audience, current, old...)
}

// wire opens the vaults and builds the handler.
func (s *Server) wire() error {
	c := s.o.Config
	if c.Broker.URL == "" || c.Broker.Secret == "" {
		return errors.New("broker: url and secret are needed to serve")
	}
	sealer, err := Sealer(c)
	if err != nil {
		return err
	}
	if key := c.Broker.TLS.Key; key != "" {
		if err := secret.CheckMode(key); err != nil {
			return fmt.Errorf("broker.tls.key: %w", err)
		}
	}
	base, err := url.Parse(c.Broker.URL)
	if err != nil {
		return fmt.Errorf("broker.url: %w", err)
	}
	origin, root := base.Scheme+"://"+base.Host, strings.TrimSuffix(base.Path, "/")
	s.vaults = map[string]holdfast.Vault{}
	push, restore := map[string]broker.PushVault{}, map[string]broker.RestoreVault{}
	mux := http.NewServeMux()
	for name, v := range c.Vaults {
		path := root + vaultPath + name
		vault, err := open.Open(v, open.Options{BaseURL: origin + path, Sealer: sealer, Create: true, Now: s.o.Now, Log: s.o.Log})
		if err != nil {
			return fmt.Errorf("vault %q: %w", name, err)
		}
		s.vaults[name], push[name], restore[name] = vault, vault, vault
		if served, ok := vault.(interface{ Handler() http.Handler }); ok {
			mux.Handle(path+"/", served.Handler()) // which strips its path itself
		}
	}
	b, err := broker.New(broker.Options{
		PublicURL: c.Broker.URL, Sealer: sealer, Registry: current{s}, Push: push, Restore: restore,
		Version: s.o.Version, Now: s.o.Now, Log: s.o.Log, Committed: s.arrived,
	})
	if err != nil {
		return err
	}
	mux.Handle(root+"/", http.StripPrefix(root, b.Handler()))
	s.handler = mux
	return nil
}
