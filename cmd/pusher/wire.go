package main

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/push"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/source/open"
	"github.com/holdfast-backup/holdfast/internal/stream"
	"github.com/holdfast-backup/holdfast/internal/token"
)

const defaultTimeout = 24 * time.Hour

// deps returns what all runs need, and what makes the destinations of each.
func deps(c *config.Pusher, log *slog.Logger) (push.Deps, *destinations, error) {
	key, err := loadKey(c)
	if err != nil {
		return push.Deps{}, nil, err
	}
	to, err := newDestinations(c, key, log)
	if err != nil {
		return push.Deps{}, nil, err
	}
	return push.Deps{
		SignManifest: func(m holdfast.Manifest) ([]byte, error) { return token.SignManifest(key, m) },
		Now:          time.Now,
	}, to, nil
}

// loadKey reads this host's private key.
func loadKey(c *config.Pusher) (ed25519.PrivateKey, error) {
	key, err := token.LoadPrivateKey(c.Key)
	err = c.At("key", err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = cli.Hint(err, "`pusher init` makes this host's key; or correct key in pusher.yaml")
	case secret.CheckMode(c.Key) != nil:
		err = cli.Hint(err, "chmod 0600 %s; if others have read it, make a new one", c.Key)
	}
	return key, cli.Usage(err)
}

// newJob returns the job of the configuration, without its sources.
func newJob(c *config.Pusher, name string, j config.PusherJob) (push.Job, error) {
	state, err := stateDir(c)
	if err != nil {
		return push.Job{}, err
	}
	job := push.Job{
		Host: c.Host, Name: name, Pusher: version, To: c.To(j),
		Options:   stream.Options{Compression: cmp.Or(c.Compress.Method, stream.Zstd), Level: c.Compress.Level},
		Hooks:     push.Hooks{Pre: j.Hooks.Pre, Post: j.Hooks.Post, Timeout: j.Hooks.Timeout.Duration()},
		Heartbeat: push.Heartbeat(j.Heartbeat),
		StateDir:  state, Spool: j.Spool, KeepLocal: j.KeepLocal,
		Timeout: cmp.Or(j.Timeout.Duration(), defaultTimeout),
	}
	err = encrypt(&job, c, time.Now())
	return job, err
}

// openJob returns the job with its sources, of all kinds or those that only names.
// A part of a job is a job of its own, "crm-db": among the whole backups of crm it
// would pass for one of them.
func openJob(c *config.Pusher, name, only string) (push.Job, error) {
	j, ok := c.Jobs[name]
	if !ok {
		return push.Job{}, cli.Usage(fmt.Errorf("job %q: not in pusher.yaml, which has %s", name, strings.Join(jobNames(c), ", ")))
	}
	opened, broken := open.Open(name, j.Sources, wanted(only))
	if only != "" && slices.ContainsFunc(j.Sources, func(s config.SourceConfig) bool { return !wanted(only)(s.Kind()) }) {
		name += "-" + only
	}
	job, err := newJob(c, name, j)
	if err != nil {
		return push.Job{}, err
	}
	job.Broken = errors.Join(job.Broken, c.Locate(broken))
	for _, s := range opened {
		job.Sources = append(job.Sources, push.Source{Stream: s.Name, Source: s.Source})
		job.Secrets = append(job.Secrets, s.Secrets...)
	}
	job.Secrets = append(job.Secrets, heartbeatSecrets(j.Heartbeat)...)
	return job, nil
}

// heartbeatSecrets returns the URLs to ping: who knows one can feign success.
func heartbeatSecrets(h config.Heartbeat) []secret.Secret {
	var secrets []secret.Secret
	for _, url := range []string{h.Start, h.Success, h.Failure} {
		if url != "" {
			secrets = append(secrets, secret.New(url))
		}
	}
	return secrets
}

// wanted returns which kinds --only asks for; nil for all.
func wanted(only string) func(kind string) bool {
	switch only {
	case "db":
		return func(kind string) bool {
			return slices.Contains([]string{"postgres", "mysql", "mariadb", "sqlite"}, kind)
		}
	case "files":
		return func(kind string) bool { return kind == "files" }
	}
	return nil
}

func jobNames(c *config.Pusher) []string {
	var names []string
	for name := range c.Jobs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// stateDir returns where locks lie.
func stateDir(c *config.Pusher) (string, error) {
	if c.StateDir != "" {
		return c.StateDir, nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "holdfast"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", cli.Usage(cli.Hint(fmt.Errorf("find a directory for locks: %w", err), "set state_dir in pusher.yaml"))
	}
	return filepath.Join(home, ".local", "state", "holdfast"), nil
}
