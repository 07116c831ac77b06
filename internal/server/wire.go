package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	channel "github.com/holdfast-backup/holdfast/internal/alert/open"
	"github.com/holdfast-backup/holdfast/internal/broker"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/rounds"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/site"
	"github.com/holdfast-backup/holdfast/internal/status"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

// vaultPath is where the signed URLs of a vault that has no server of its own
// are served, followed by its name.
const vaultPath = "/v/"

// wire opens the vaults and builds the handler.
func (s *Server) wire(ctx context.Context) error {
	c := s.o.Config
	if c.Broker.URL == "" || c.Broker.Secret == "" {
		return errors.New("broker: url and secret are needed to serve")
	}
	sealer, err := site.Sealer(ctx, c, s.o.Secrets)
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
	s.vaults, err = site.Vaults(ctx, c.Vaults, func(name string) open.Options {
		return open.Options{
			BaseURL: origin + root + vaultPath + name, Sealer: sealer, Secrets: s.o.Secrets,
			Create: true, Now: s.o.Now, Log: s.o.Log,
		}
	})
	if err != nil {
		return err
	}
	push, restore := map[string]broker.PushVault{}, map[string]broker.RestoreVault{}
	mux := http.NewServeMux()
	for name, vault := range s.vaults {
		if c.Vaults[name].Signs() {
			push[name], restore[name] = open.Own(vault), vault
		}
		if served, ok := vault.(interface{ Handler() http.Handler }); ok {
			mux.Handle(root+vaultPath+name+"/", served.Handler()) // which strips its path itself
		}
	}
	authorities, err := site.Authorities(ctx, c, s.o.Secrets)
	if err != nil {
		return err
	}
	certifiers := map[string]broker.Certifier{}
	for name, authority := range authorities {
		certifiers[name] = authority
	}
	b, err := broker.New(broker.Options{
		PublicURL: c.Broker.URL, Sealer: sealer, Registry: &s.registry, Push: push, Restore: restore, Certifiers: certifiers,
		Version: s.o.Version, Now: s.o.Now, Log: s.o.Log, Committed: s.arrived,
	})
	if err != nil {
		return err
	}
	mux.Handle(root+"/", http.StripPrefix(root, b.Handler()))
	pages := &statusPages{root: root, secure: base.Scheme == "https", sealer: sealer, now: s.o.Now, log: s.o.Log}
	if c.Broker.MetricsToken != "" {
		if pages.token, err = s.metricsToken(ctx); err != nil {
			return err
		}
	}
	s.sealer = sealer
	s.tell(ctx, c.Alerts.Channels)
	pages.state = func() status.Status { return s.watcher.Load().Status() }
	pages.register(mux)
	s.handler = mux
	return nil
}

// minToken is how long the bearer token of metrics must be, in bytes.
const minToken = 16

func (s *Server) metricsToken(ctx context.Context) (secret.Secret, error) {
	t, err := s.o.Secrets(ctx, s.o.Config.Broker.MetricsToken)
	if err != nil {
		return t, fmt.Errorf("broker.metrics_token: %w", err)
	}
	if n := len(t.Reveal()); n < minToken {
		return t, fmt.Errorf("broker.metrics_token: has %d bytes, want at least %d", n, minToken)
	}
	return t, nil
}

// tell opens the channels, and has people told through them from the next round on.
// One that cannot be opened is said at once, and by the others: backups must not
// wait for a chat's token.
func (s *Server) tell(ctx context.Context, wanted map[string]config.Channel) {
	client := &http.Client{}
	channels, problems := channel.Open(ctx, wanted, channel.Options{Secrets: s.o.Secrets, HTTP: client, Now: s.o.Now})
	for name, err := range problems {
		s.o.Log.Error("alerts", "channel", name, "err", err)
	}
	next := rounds.NewWatcher(rounds.WatcherOptions{
		Rounds: s.round(), Channels: channels, Broken: problems, HTTP: client, Program: "holdfast " + s.o.Version,
		Link: func(context.Context, string) (string, error) {
			return StatusLink(s.sealer, s.o.Config.Broker.URL, s.o.Now().Add(LinkLife))
		},
	})
	if last := s.watcher.Load(); last != nil {
		next.TakeOver(last)
	}
	s.watcher.Store(next)
	s.channels = wanted
}
