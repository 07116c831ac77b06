package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/awsenv"
	"github.com/holdfast-backup/holdfast/internal/broker"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/client"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/operator"
	"github.com/holdfast-backup/holdfast/internal/rounds"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/site"
	"github.com/holdfast-backup/holdfast/internal/token"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

// backups returns the view of backups that the flags ask for: through the broker
// with --broker, else directly.
func (o *options) backups(ctx context.Context) (operator.Backups, error) {
	if o.broker != "" {
		return o.remote()
	}
	c, vaults, err := o.direct(ctx)
	if err != nil {
		return nil, err
	}
	registry, err := c.Registry()
	if err != nil {
		return nil, cli.Usage(err)
	}
	d := &operator.Direct{Vaults: map[string]operator.Vault{}, HostKeys: registry.HostKeys, Now: time.Now}
	for name, vault := range vaults {
		d.Vaults[name] = vault
	}
	if c.Broker.URL != "" && c.Broker.Secret != "" {
		d.Seal = func(ref holdfast.Ref, file string, expires time.Time) (string, error) {
			sealer, err := site.Sealer(ctx, c, secrets())
			if err != nil {
				return "", err
			}
			return broker.Ticket(sealer, c.Broker.URL, ref, file, expires)
		}
	}
	return d, nil
}

func (o *options) remote() (operator.Backups, error) {
	c, err := o.client()
	return &operator.Remote{Client: c}, err
}

// client returns the operator's client of the broker.
func (o *options) client() (*client.Client, error) {
	if o.key == "" {
		return nil, cli.Usage(cli.Hint(errors.New("reach the broker: no key given"), "make one with `holdfast key NAME` and pass it with --key"))
	}
	key, err := token.LoadPrivateKey(o.key)
	if err != nil {
		return nil, cli.Usage(err)
	}
	name := cmp.Or(o.as, strings.TrimSuffix(filepath.Base(o.key), ".key"))
	signer, err := token.NewSigner(key, name, o.broker)
	if err != nil {
		return nil, cli.Usage(err)
	}
	c, err := client.New(client.Options{BaseURL: o.broker, Signer: signer, UserAgent: "holdfast/" + version})
	return c, cli.Usage(err)
}

// direct opens the configured vaults, or the one that --vault names.
func (o *options) direct(ctx context.Context) (*config.Holdfast, map[string]holdfast.Vault, error) {
	c, err := o.load(ctx)
	if err != nil {
		return nil, nil, err
	}
	wanted := c.Vaults
	if o.vault != "" {
		wanted = map[string]config.Vault{o.vault: c.Vaults[o.vault]}
	}
	vaults, err := site.Vaults(ctx, wanted, func(string) open.Options {
		return open.Options{Secrets: secrets(), Now: time.Now}
	})
	return c, vaults, err
}

// secrets returns what fetches the secrets that the configuration refers to, on
// this machine or in AWS.
func secrets() secret.Resolver { return awsenv.New(time.Now, slog.Default()).Secret }

// rules returns retention and the monitor by the policies of the configuration.
func rules(c *config.Holdfast) (rounds.Rounds, error) {
	registry, err := c.Registry()
	if err != nil {
		return rounds.Rounds{}, cli.Usage(err)
	}
	return rounds.Rounds{Registry: func() *config.Registry { return registry }, Now: time.Now}, nil
}

// onlyDirect refuses --broker for what is not offered over the network.
func (o *options) onlyDirect(what string) error {
	if o.broker == "" {
		return nil
	}
	return cli.Usage(cli.Hint(fmt.Errorf("%s: not offered through the broker", what),
		"run it where the configuration and the vault are: what only reads is offered over the network, what deletes or pins is not"))
}
