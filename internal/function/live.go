package function

import (
	"context"
	"maps"
	"net/http"
	"reflect"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/rounds"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/site"
	"github.com/holdfast-backup/holdfast/internal/sshca"
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
	certify map[string]*sshca.Authority  // for the push half alone
	watcher *rounds.Watcher              // for the monitor alone
	current *site.Registry               // of the last configuration that uses this
	broken  bool                         // a channel could not be opened
}

// loader makes configurations live. It is for one caller at a time.
type loader struct {
	env    Env
	sealed bool         // whether the broker's secret is wanted
	signs  bool         // whether SSH certificates are signed
	tells  OpenChannels // makes what tells people; nil where nobody is told
	last   *live
}

// OpenChannels makes the channels of a configuration as alert/open.Open does. It is
// the caller's, so that only the function that tells people links what does.
type OpenChannels func(ctx context.Context, channels map[string]config.Channel, secrets secret.Resolver, now func() time.Time) (all map[string]holdfast.Channel, problems map[string]error)

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
	next.current.Store(registry)
	l.last = next
	return next, nil
}

// usable reports whether what is open is what c would open.
func (l *loader) usable(ctx context.Context, c *config.Holdfast) bool {
	if l.last == nil || l.last.broken || !reflect.DeepEqual(l.last.config.Vaults, c.Vaults) || l.last.config.Broker != c.Broker ||
		l.tells != nil && !reflect.DeepEqual(l.last.config.Alerts.Channels, c.Alerts.Channels) {
		return false
	}
	for ref, before := range l.last.secrets {
		if now, err := l.env.AWS.Secret(ctx, ref); err != nil || !now.Equal(before) {
			return false // opening it again says what is wrong
		}
	}
	return true
}

func (l *loader) open(ctx context.Context, c *config.Holdfast) (*opened, error) {
	o := &opened{secrets: map[secret.Ref]secret.Secret{}, current: &site.Registry{}}
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
	if l.signs {
		if o.certify, err = site.Authorities(ctx, c, resolve); err != nil {
			return nil, err
		}
	}
	vaults := maps.Clone(c.Vaults)
	if l.sealed { // what the broker cannot sign for it has no use for, and no key to
		maps.DeleteFunc(vaults, func(_ string, v config.Vault) bool { return !v.Signs() })
	}
	o.vaults, err = site.Vaults(ctx, vaults, func(string) open.Options {
		return open.Options{Secrets: resolve, Now: l.env.Now, Log: l.env.Log}
	})
	if err == nil && l.tells != nil {
		l.tell(ctx, c, o, resolve)
	}
	return o, err
}

// tell makes what tells people. A channel that cannot be opened is tried again
// with the next configuration; until then the others say so.
func (l *loader) tell(ctx context.Context, c *config.Holdfast, o *opened, resolve secret.Resolver) {
	channels, problems := l.tells(ctx, c.Alerts.Channels, resolve, l.env.Now)
	for name, err := range problems {
		l.env.Log.Error("alerts", "channel", name, "err", err)
		o.broken = true
	}
	o.watcher = rounds.NewWatcher(rounds.WatcherOptions{
		Rounds:   rounds.Rounds{Registry: func() *config.Registry { return o.current.Load() }, Now: l.env.Now},
		Channels: channels, Broken: problems, HTTP: &http.Client{}, Program: "holdfast " + l.env.Version,
		Link: func(ctx context.Context, vault string) (string, error) {
			return site.PageLink(ctx, o.vaults[vault], linkLife)
		},
	})
}

// linkLife is how long a link to the status page is asked to open it. It ends with
// the function's own credentials, which is sooner.
const linkLife = 7 * 24 * time.Hour
