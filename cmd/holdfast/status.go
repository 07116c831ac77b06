package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/server"
	"github.com/holdfast-backup/holdfast/internal/site"
	"github.com/holdfast-backup/holdfast/internal/status"
)

func statusCommand(o *options) *cobra.Command {
	var link bool
	var page string
	valid := holdfast.Span{N: 7, Unit: holdfast.Day}
	command := &cobra.Command{
		Use:   "status",
		Short: "Open the status page: make a link to it, or fetch it",
		Long: `Print a link that opens the status page in a browser until it expires: to the page
in the vault, where that can sign it (S3), or to the one of holdfast serve. Or fetch the
page, as the monitor wrote it last, into a file that needs nothing else. With --json,
fetch it for programs. Whoever has the link or the file sees the names, sizes and
times of all jobs, and no data.`,
		Example: `  holdfast status
  holdfast status --page status.html
  holdfast status --json`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := o.onlyDirect("status"); err != nil {
				return err
			}
			if link && (page != "" || o.asJSON) || page != "" && o.asJSON {
				return cli.Usage(errors.New("want one of --link, --page and --json"))
			}
			if valid.Duration() <= 0 || valid.Duration() > server.LinkLife {
				return cli.Usage(fmt.Errorf("--valid %s: want more than nothing and at most 7d", valid))
			}
			c, vaults, err := o.direct(command.Context())
			if err != nil {
				return err
			}
			switch {
			case page != "":
				return o.savePage(command, vaults, page)
			case o.asJSON:
				s, err := loadStatus(command.Context(), vaults)
				if err != nil {
					return err
				}
				return status.WriteJSON(command.OutOrStdout(), s)
			}
			expires := time.Now().Add(valid.Duration())
			if link {
				return printLogin(command, c, expires)
			}
			return printLinks(command, c, vaults, expires)
		},
	}
	command.Flags().BoolVar(&link, "link", false, "print a link to the page that holdfast serve shows, also where the vault can show its own")
	command.Flags().StringVar(&page, "page", "", "save the page as this file; - for standard output")
	command.Flags().TextVar(&valid, "valid", valid, "how long the link opens the page, at most 7d")
	return command
}

// loadStatus returns what the monitor wrote last, of all vaults.
func loadStatus(ctx context.Context, vaults map[string]holdfast.Vault) (status.Status, error) {
	all := status.Status{Version: status.FormatVersion, Program: "holdfast " + version}
	for _, name := range slices.Sorted(maps.Keys(vaults)) {
		body, _, err := vaults[name].Load(ctx, status.JSONKey)
		if errors.Is(err, holdfast.ErrNotExist) {
			return all, cli.Hint(fmt.Errorf("vault %q: the monitor has not written its status yet", name), "run holdfast serve, or holdfast monitor --alert")
		}
		if err != nil {
			return all, fmt.Errorf("vault %q: %w", name, err)
		}
		s, err := status.ReadJSON(bytes.NewReader(body))
		if err != nil {
			return all, fmt.Errorf("vault %q: %w", name, err)
		}
		all.Vaults = append(all.Vaults, s.Vaults...)
		if s.At.After(all.At) {
			all.At = s.At
		}
	}
	return all, nil
}

// savePage writes the page of all vaults.
func (o *options) savePage(command *cobra.Command, vaults map[string]holdfast.Vault, path string) error {
	s, err := loadStatus(command.Context(), vaults)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if err := status.HTML(&body, s, status.Options{}); err != nil {
		return err
	}
	if path == "-" {
		_, err = command.OutOrStdout().Write(body.Bytes())
		return err
	}
	if err := os.WriteFile(path, body.Bytes(), 0o600); err != nil {
		return fmt.Errorf("save page: %w", err)
	}
	return nil
}

// printLogin prints a link to the page that `holdfast serve` shows.
func printLogin(command *cobra.Command, c *config.Holdfast, expires time.Time) error {
	sealer, err := site.Sealer(command.Context(), c, secrets())
	if err != nil {
		return cli.Hint(err, "the link is signed with the broker's secret, for the page of holdfast serve")
	}
	link, err := server.StatusLink(sealer, c.Broker.URL, expires)
	if err != nil {
		return err
	}
	return printLine(command, link)
}

// printLinks prints links to the pages that lie in the vaults, or where a vault
// cannot show one by itself, to that of `holdfast serve`.
func printLinks(command *cobra.Command, c *config.Holdfast, vaults map[string]holdfast.Vault, expires time.Time) error {
	for _, name := range slices.Sorted(maps.Keys(vaults)) {
		link, err := site.PageLink(command.Context(), vaults[name], time.Until(expires))
		if err != nil {
			return fmt.Errorf("vault %q: %w", name, err)
		}
		if link == "" {
			return printLogin(command, c, expires)
		}
		if err := printLine(command, link); err != nil {
			return err
		}
	}
	return nil
}

func printLine(command *cobra.Command, line string) error {
	_, err := fmt.Fprintln(command.OutOrStdout(), line)
	return err
}
