package function

import (
	"context"
	"reflect"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/site"
	"github.com/holdfast-backup/holdfast/internal/token"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

// live is a configuration with all that it names.
type live struct {
	config   *config.Holdfast
	registry *config.Registry
	*opened
}

// opened is what is kept while hosts and policies alone change.
type opened struct {
	vaults  map[string]holdfast.Vault
	sealer  *token.Sealer                // for the broker alone
	secrets map[secret.Ref]secret.Secret // that went into it
}

// loader makes configurations live. It is for one caller at a time.
type loader struct {
	env    Env
	sealed bool // whether the broker's secret is wanted
	last   *live
}

// load fetches the configuration. What the last one has opened it uses again,
// unless it would be opened in another way now.
func (l *loader) load(ctx context.Context) (*live, error) {
	name, text, err := l.env.AWS.Document(ctx, l.env.Config)
	if err != nil {
		return nil, err
	}
	c, err := config.ParseHoldfast(name, text)
	if err != nil {
		return nil, err
	}
	registry, err := c.Registry()
	if err != nil {
		return nil, err
	}
	next := &live{config: c, registry: registry}
	if l.usable(ctx, c) {
		next.opened = l.last.opened
	} else if next.opened, err = l.open(ctx, c); err != nil {
		return nil, err
	}
	l.last = next
	return next, nil
}

// usable reports whether what is open is what c would open.
func (l *loader) usable(ctx context.Context, c *config.Holdfast) bool {
	if l.last == nil || !reflect.DeepEqual(l.last.config.Vaults, c.Vaults) || l.last.config.Broker != c.Broker {
		return false
	}
	for ref, before := range l.last.secrets {
		if now, err := l.env.AWS.Secret(ctx, ref); err != nil || now != before {
			return false // opening it again says what is wrong
		}
	}
	return true
}

func (l *loader) open(ctx context.Context, c *config.Holdfast) (*opened, error) {
	o := &opened{secrets: map[secret.Ref]secret.Secret{}}
	resolve := func(ctx context.Context, ref secret.Ref) (secret.Secret, error) {
		s, err := l.env.AWS.Secret(ctx, ref)
		if err == nil {
			o.secrets[ref] = s
		}
		return s, err
	}
	var err error
	if l.sealed {
		if o.sealer, err = site.Sealer(ctx, c, resolve); err != nil {
			return nil, err
		}
	}
	o.vaults, err = site.Vaults(ctx, c.Vaults, func(string) open.Options {
		return open.Options{Secrets: resolve, Now: l.env.Now, Log: l.env.Log}
	})
	return o, err
}
