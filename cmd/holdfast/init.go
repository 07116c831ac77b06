package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
)

const (
	configFile  = "holdfast.yaml"
	secretFile  = "broker.secret"
	secretBytes = 32
)

func initCommand() *cobra.Command {
	var dir, url, vault string
	command := &cobra.Command{
		Use:   "init --url URL",
		Short: "Make a commented holdfast.yaml and the broker's secret",
		Long: `Make a commented holdfast.yaml and the broker's secret. Nothing that exists is
overwritten.`,
		Example: "  holdfast init --url https://backup.example.org --vault /var/lib/holdfast/vault",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			var err error
			if dir == "" {
				if dir, err = cli.ConfigDir(); err != nil {
					return err
				}
			}
			if strings.Contains(vault, "://") {
				return cli.Usage(cli.Hint(fmt.Errorf("--vault %q: want a directory", vault), "a bucket is written into holdfast.yaml: see vaults in docs/configuration.md"))
			}
			if vault, err = filepath.Abs(vault); err != nil {
				return cli.Usage(err)
			}
			return initialise(command, dir, url, vault)
		},
	}
	flags := command.Flags()
	flags.StringVar(&dir, "dir", "", "directory for the files (default /etc/holdfast, or ~/.config/holdfast)")
	flags.StringVar(&url, "url", "http://127.0.0.1:8420", "URL under which hosts reach the broker")
	flags.StringVar(&vault, "vault", "/var/lib/holdfast/vault", "directory of the vault")
	return command
}

func initialise(command *cobra.Command, dir, url, vault string) error {
	configPath, secretPath := filepath.Join(dir, configFile), filepath.Join(dir, secretFile)
	text := config.StarterHoldfast(url, vault, secretFile)
	if _, err := config.ParseHoldfast(configPath, []byte(text)); err != nil {
		// The file is not there yet: say which flag is wrong.
		if problems, ok := errors.AsType[config.Problems](err); ok && problems[0].Path == "broker.url" {
			err = fmt.Errorf("--url %q: %s", url, problems[0].Text)
		}
		return cli.Usage(err)
	}
	for _, path := range []string{configPath, secretPath} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			return cli.Usage(cli.Hint(fmt.Errorf("write %q: it exists already, and is left as it is", path), "remove it, or choose another place with --dir"))
		}
	}
	secret := make([]byte, secretBytes)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("make secret: %w", err)
	}
	if err := cli.NewFile(secretPath, []byte(base64.RawURLEncoding.EncodeToString(secret)+"\n"), 0o600); err != nil {
		return err
	}
	if err := cli.NewFile(configPath, []byte(text), 0o600); err != nil {
		return err
	}
	_, err := fmt.Fprintf(command.OutOrStdout(), `made %s and the broker's secret beside it
next: on each host, pusher init --broker %s; paste what it prints; then holdfast serve
`, configPath, url)
	return err
}
