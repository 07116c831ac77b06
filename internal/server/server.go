// Package server is `holdfast serve`: the broker, the uploads and downloads of
// disk vaults, retention and the monitor, in one process. It wires packages
// that know nothing of each other and decides nothing itself.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/rounds"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/site"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// Options are what a Server is made of. All but TLS files come from outside, so
// that tests have their own clock.
type Options struct {
	Config  *config.Holdfast
	Secrets secret.Resolver // fetches what the configuration refers to
	Version string
	Now     func() time.Time
	Log     *slog.Logger
}

// Server runs until its context ends.
type Server struct {
	o        Options
	registry site.Registry
	vaults   map[string]holdfast.Vault
	handler  http.Handler
	sealer   *token.Sealer
	watcher  atomic.Pointer[rounds.Watcher]
	channels map[string]config.Channel // that the watcher has; Reload is for one caller at a time
	// monitorNow asks the monitor for a round before its time.
	monitorNow chan struct{}
}

// Limits on connections. A part can take as long as its URL is valid.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 15 * time.Minute
	// answerTimeout is from a request's header to the end of the answer. The
	// handlers set closer ones; a download's grows as long as it makes headway.
	answerTimeout = 20 * time.Minute
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10 // bytes
	maxStreams    = 32       // requests at once on one HTTP/2 connection
	// stopTimeout is how long requests in flight may take to end.
	stopTimeout = 30 * time.Second
)

// New opens the vaults and the secrets; it refuses to start with a
// configuration that would leave something unprotected.
func New(ctx context.Context, o Options) (*Server, error) {
	s := &Server{o: o, monitorNow: make(chan struct{}, 1)}
	if err := s.Reload(ctx, o.Config); err != nil {
		return nil, err
	}
	return s, s.wire(ctx)
}

// Reload puts hosts, operators, jobs, policies and who is told what of another
// configuration into force: a host that is revoked in it is refused from the next
// call on. Vaults, addresses and secrets stay as they are until a restart; so do the
// secrets of channels, unless something of the channels changes. It is for one caller
// at a time.
func (s *Server) Reload(ctx context.Context, c *config.Holdfast) error {
	registry, err := c.Registry()
	if err != nil {
		return err
	}
	s.registry.Store(registry)
	if s.watcher.Load() != nil && !reflect.DeepEqual(s.channels, c.Alerts.Channels) {
		s.tell(ctx, c.Alerts.Channels)
	}
	return nil
}

// Run serves and does its rounds until ctx ends, then lets requests in flight end.
func (s *Server) Run(ctx context.Context) error {
	listener, err := net.Listen("tcp", s.o.Config.Broker.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	listener = limit(listener, maxConnections)
	web := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ErrorLog:          webLog(s.o.Log),
	}
	s.o.Log.Info("serving", "address", listener.Addr().String(), "url", s.o.Config.Broker.URL, "version", s.o.Version)

	rounds, stopRounds := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { s.rounds(rounds) })
	failed := make(chan error, 1)
	running.Go(func() { failed <- s.serve(web, listener) })

	select {
	case err = <-failed:
	case <-ctx.Done():
		s.o.Log.Info("stopping")
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if err = web.Shutdown(stopping); err != nil {
			err = errors.Join(fmt.Errorf("stop: %w", err), web.Close())
		}
	}
	stopRounds()
	running.Wait()
	return errors.Join(err, s.close())
}

// close lets go of the vaults.
func (s *Server) close() error {
	var errs []error
	for _, v := range s.vaults {
		if c, ok := v.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

func (s *Server) serve(web *http.Server, listener net.Listener) error {
	var err error
	if tls := s.o.Config.Broker.TLS; tls.Cert != "" {
		err = web.ServeTLS(listener, tls.Cert, tls.Key)
	} else {
		err = web.Serve(listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}
