package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/token"
	"github.com/holdfast-backup/holdfast/internal/vault/conform"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

// checked is the outcome of one promise as check --json shows it.
type checked struct {
	Vault   string `json:"vault"`
	Name    string `json:"name"`
	Promise string `json:"promise"`
	Status  string `json:"status"` // kept, broken, not tried
	Error   string `json:"error,omitempty"`
}

func checkCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Try every promise of the vault contract on the configured vaults",
		Long: `Try every promise that Holdfast relies on, on the configured vaults themselves:
that nothing is replaced, that signed requests take exactly what was signed, that
what is deleted is gone, and so on. It writes under scratch/ and removes it again.`,
		Example: "  holdfast check",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := o.onlyDirect("check"); err != nil {
				return err
			}
			c, err := o.load(command.Context())
			if err != nil {
				return err
			}
			all := []checked{}
			for _, name := range slices.Sorted(maps.Keys(c.Vaults)) {
				if o.vault != "" && name != o.vault {
					continue
				}
				results, err := checkVault(command.Context(), c.Vaults[name])
				if err != nil {
					return fmt.Errorf("check vault %q: %w", name, err)
				}
				for _, r := range results {
					all = append(all, outcome(name, r))
				}
			}
			return reportChecked(command.OutOrStdout(), o.asJSON, all)
		},
	}
}

// checkVault runs the checks on a vault of the configuration. Signed requests of
// a vault without a server of its own go to one on loopback, made for the
// occasion with a secret and a clock of its own.
func checkVault(ctx context.Context, v config.Vault) ([]conform.Result, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	url := "http://" + listener.Addr().String()
	sealer, err := token.NewSealer(url, secret.New(rand.Text()+rand.Text()))
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	var ahead atomic.Int64 // nanoseconds that the vault's clock is ahead
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	vault, err := open.Open(ctx, v, open.Options{BaseURL: url, Sealer: sealer, Secrets: secrets(), Now: now})
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	if err := reachable(ctx, vault); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	env := conform.NewEnv(vault, http.DefaultClient)
	served, ok := vault.(interface{ Handler() http.Handler })
	if !ok {
		env.Advance = wait
		return conform.Run(ctx, env), listener.Close()
	}
	env.Advance = func(_ context.Context, d time.Duration) error {
		ahead.Add(int64(d))
		return nil
	}
	web := &http.Server{Handler: served.Handler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = web.Serve(listener) }()
	return conform.Run(ctx, env), web.Close()
}

// reachable lists the vault once before all promises are: where it cannot be used
// at all, each of them would say so.
func reachable(ctx context.Context, vault holdfast.Vault) error {
	for _, err := range vault.List(ctx, holdfast.ScratchPrefix) {
		if err != nil {
			return cli.Hint(fmt.Errorf("it cannot be used: %w", err), "of a bucket look at its name, region, endpoint and key, and at what the key may do")
		}
		break
	}
	return nil
}

// wait moves a clock on that is not ours.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func outcome(vault string, r conform.Result) checked {
	c := checked{Vault: vault, Name: r.Name, Promise: r.Promise, Status: "kept"}
	switch {
	case r.Skipped():
		c.Status, c.Error = "not tried", r.Err.Error()
	case r.Err != nil:
		c.Status, c.Error = "broken", r.Err.Error()
	}
	return c
}

// reportChecked prints what was found; broken promises are a failure.
func reportChecked(w io.Writer, asJSON bool, all []checked) error {
	count := map[string]int{}
	for _, c := range all {
		count[c.Status]++
		if !asJSON {
			fmt.Fprintf(w, "%-9s  %s: %s\n", c.Status, c.Vault, c.Promise)
			if c.Error != "" {
				fmt.Fprintf(w, "           %s\n", c.Error)
			}
		}
	}
	if asJSON {
		if err := cli.JSON(w, map[string]any{"checks": all}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(w, "%d promises kept, %d broken, %d not tried\n", count["kept"], count["broken"], count["not tried"])
	}
	if count["kept"] == 0 || count["broken"] > 0 {
		return cli.Silent(cli.ExitFailed)
	}
	return nil
}
