package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
	d, _, err := o.operator(ctx)
	return d, err
}

func (o *options) remote() (operator.Backups, error) {
	c, err := o.client()
	return &operator.Remote{Client: c, Vault: o.vault}, err
}

// sought adds to the error of a search through the broker where else to look: it
// shows the vaults that it signs for, and no others.
func (o *options) sought(err error) error {
	if _, ok := errors.AsType[*operator.NotShownError](err); ok {
		return cli.Usage(cli.Hint(err, "a vault that the broker cannot sign for, such as a server reached by SFTP, is read where holdfast.yaml and its key are, without --broker"))
	}
	if o.broker != "" && errors.Is(err, holdfast.ErrNotExist) {
		return cli.Hint(err, "the broker shows only the vaults that it signs for; what hosts send elsewhere, by SFTP say, is found without --broker, where holdfast.yaml is")
	}
	return err
}

// operator returns the view of the vaults themselves, and the vaults. One that
// cannot be opened does not stand in the way of what lies in another.
func (o *options) operator(ctx context.Context) (*operator.Direct, map[string]holdfast.Vault, error) {
	c, err := o.load(ctx)
	if err != nil {
		return nil, nil, err
	}
	registry, err := c.Registry()
	if err != nil {
		return nil, nil, cli.Usage(err)
	}
	d := &operator.Direct{
		Vaults: map[string]operator.Vault{}, Closed: map[string]error{}, HostKeys: registry.HostKeys,
		Signs: registry.Signs, Only: o.vault != "", Now: time.Now,
		Order: func(host, job string) []string { vaults, _, _ := registry.Job(host, job); return vaults },
	}
	if c.Broker.URL != "" && c.Broker.Secret != "" {
		d.Seal = func(vault string, ref holdfast.Ref, file string, expires time.Time) (string, error) {
			sealer, err := site.Sealer(ctx, c, secrets())
			if err != nil {
				return "", err
			}
			return broker.Ticket(sealer, c.Broker.URL, vault, ref, file, expires)
		}
	}
	vaults := map[string]holdfast.Vault{}
	for name, v := range o.wanted(c) {
		opened, err := openVaults(ctx, map[string]config.Vault{name: v})
		if err != nil {
			d.Closed[name] = err
			continue
		}
		vaults[name], d.Vaults[name] = opened[name], opened[name]
	}
	if len(d.Closed) > 0 && len(vaults) == 0 {
		return nil, nil, errors.Join(slices.Collect(maps.Values(d.Closed))...)
	}
	return d, vaults, nil
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
	vaults, err := openVaults(ctx, o.wanted(c))
	return c, vaults, err
}

// wanted returns the configured vaults, or the one that --vault names.
func (o *options) wanted(c *config.Holdfast) map[string]config.Vault {
	if o.vault == "" {
		return c.Vaults
	}
	return map[string]config.Vault{o.vault: c.Vaults[o.vault]}
}

func openVaults(ctx context.Context, vaults map[string]config.Vault) (map[string]holdfast.Vault, error) {
	all := map[string]holdfast.Vault{}
	for name, v := range vaults {
		opened, err := site.Vaults(ctx, map[string]config.Vault{name: v}, func(string) open.Options {
			return open.Options{Secrets: secrets(), Now: time.Now}
		})
		if err != nil {
			return nil, besideAdopted(v, err)
		}
		all[name] = opened[name]
	}
	return all, nil
}

// besideAdopted adds to what the system refused in a directory of adopted files that
// Holdfast writes there, too.
func besideAdopted(v config.Vault, err error) error {
	var hinted interface{ Hint() string }
	if v.Disk == nil || len(v.Adopt) == 0 || errors.As(err, &hinted) || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	own := filepath.Join(v.Disk.Path, ".holdfast")
	return cli.Hint(err, "Holdfast keeps its own files beside the adopted ones, in %s: make that for the user that runs this: install -d -o %d -m 0700 %s", own, os.Geteuid(), own)
}

// secrets returns what fetches the secrets that the configuration refers to, on
// this machine or in AWS.
func secrets() secret.Resolver {
	fetch := awsenv.New(time.Now, slog.Default()).Secret
	return func(ctx context.Context, ref secret.Ref) (secret.Secret, error) {
		s, err := fetch(ctx, ref)
		if err != nil {
			err = &secret.RefError{Ref: ref, Err: err}
		}
		return s, err
	}
}

// rules returns retention and the monitor by the policies of the configuration.
func rules(c *config.Holdfast) (rounds.Rounds, error) {
	registry, err := c.Registry()
	if err != nil {
		return rounds.Rounds{}, cli.Usage(err)
	}
	return rounds.Rounds{Registry: func() *config.Registry { return registry }, Now: time.Now}, nil
}

// throughBroker says what needs no vault of its own.
const throughBroker = "through the broker there are list, restore, verify and url, and monitor where holdfast.yaml is too"

// onlyDirect refuses --broker for what is not offered over the network.
func (o *options) onlyDirect(what string) error {
	if o.broker == "" {
		return nil
	}
	return cli.Usage(cli.Hint(fmt.Errorf("%s: not offered through the broker", what),
		"run it where the configuration and the vault are, without --broker and $HOLDFAST_BROKER; "+throughBroker))
}
