// Command holdfast takes backups in, thins them out, watches them and brings
// them back: the server and the operator's commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // policies name time zones; a minimal machine has none

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast/internal/awsenv"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
)

// version is set by the linker.
var version = "development"

func main() { os.Exit(cli.Main(rootCommand())) }

// options are the flags that every command has.
type options struct {
	configPath string
	vault      string
	broker     string
	key        string
	as         string
	asJSON     bool

	loaded *config.Holdfast // once a command has read it
}

func rootCommand() *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:   "holdfast",
		Short: "Keep, watch and restore backups that the backed-up machine cannot destroy",
		Long: `Keep, watch and restore backups that the backed-up machine cannot destroy.

Commands reach the vault directly, by the configuration file. list, restore, verify
and url also work through the broker, from any machine and without that file, with
--broker and an operator's key; monitor too, where the file is. The broker shows the
vaults that it signs for.

A backup is named by its job, with the host and a time or an id where needed:
crm, web1/crm@latest, crm@2025-10-28, crm@20251028T140000Z-9f3c2a7d.

Exit codes: 0 all well, 1 failed or unhealthy, 2 configuration or usage, 3 part
of it failed.`,
		Example: `  holdfast init && holdfast serve
  holdfast list
  holdfast restore crm@latest --into postgres:///crm_restored --identity identity.txt`,
		Version: version,
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&o.configPath, "config", "c", "", "holdfast.yaml, or ssm:/NAME, s3://BUCKET/KEY (default: $HOLDFAST_CONFIG, ./holdfast.yaml, ~/.config/holdfast/holdfast.yaml, /etc/holdfast/holdfast.yaml)")
	flags.StringVar(&o.vault, "vault", "", "look into this vault only (default: all of the configuration)")
	flags.StringVar(&o.broker, "broker", os.Getenv("HOLDFAST_BROKER"), "reach the vault through the broker at this URL ($HOLDFAST_BROKER)")
	flags.StringVar(&o.key, "key", os.Getenv("HOLDFAST_KEY"), "operator's private key, with --broker ($HOLDFAST_KEY)")
	flags.StringVar(&o.as, "as", "", "operator's name, with --broker (default: the key file's name without .key)")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON")
	root.AddCommand(
		initCommand(), serveCommand(&o), keyCommand(&o),
		listCommand(&o), cleanCommand(&o), monitorCommand(&o), simulateCommand(&o),
		restoreCommand(&o), verifyCommand(&o), urlCommand(&o),
		holdCommand(&o), releaseCommand(&o), copyCommand(&o), checkCommand(&o),
		statusCommand(&o), silenceCommand(&o), alertCommand(&o), adoptCommand(&o),
		versionCommand(&o),
	)
	_ = root.RegisterFlagCompletionFunc("vault", o.completeVault)
	for _, command := range []string{"list", "clean", "monitor", "restore", "verify", "url", "hold", "release", "silence"} {
		if of, _, err := root.Find([]string{command}); err == nil {
			of.ValidArgsFunction = o.completeJob
		}
	}
	o.located(root)
	return root
}

// load finds and reads holdfast.yaml.
func (o *options) load(ctx context.Context) (*config.Holdfast, error) {
	path, err := o.find()
	if err != nil {
		return nil, err
	}
	c, err := readConfig(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		err = cli.Hint(err, "%s", o.howToFind())
	}
	if err != nil {
		return nil, cli.Usage(err)
	}
	if _, ok := c.Vaults[o.vault]; o.vault != "" && !ok {
		return nil, cli.Usage(fmt.Errorf("vault %q: not in the configuration, which has %s", o.vault, strings.Join(slices.Sorted(maps.Keys(c.Vaults)), ", ")))
	}
	o.loaded = c
	return c, nil
}

// located has the errors of the command and of all below it say where in the
// configuration a secret is referred to that could not be fetched.
func (o *options) located(command *cobra.Command) {
	if run := command.RunE; run != nil {
		command.RunE = func(command *cobra.Command, args []string) error {
			err := run(command, args)
			if o.loaded == nil {
				return err
			}
			return o.loaded.Locate(err)
		}
	}
	for _, below := range command.Commands() {
		o.located(below)
	}
}

// readConfig reads the configuration: a file, or where the functions in AWS have
// theirs, ssm:/NAME or s3://BUCKET/KEY.
func readConfig(ctx context.Context, path string) (*config.Holdfast, error) {
	if !strings.HasPrefix(path, "ssm:") && !strings.HasPrefix(path, "s3://") {
		return config.LoadHoldfast(path)
	}
	name, text, err := awsenv.New(time.Now, slog.Default()).Document(ctx, path)
	if err != nil {
		return nil, err
	}
	return config.ParseHoldfast(name, text)
}

// howToFind says how to come by a configuration, or to do without.
func (o *options) howToFind() string {
	if o.broker != "" {
		return "this needs holdfast.yaml, also with --broker or $HOLDFAST_BROKER: run it where that is, or name it with --config; list, restore, verify and url do without through the broker"
	}
	return "make one with `holdfast init`, or name it with --config; list, restore, verify and url do without, through the broker (--broker)"
}

// find returns the path of holdfast.yaml.
func (o *options) find() (string, error) {
	path, err := cli.FindConfig(o.configPath, "HOLDFAST_CONFIG", "holdfast.yaml")
	return path, cli.Hint(err, "%s", o.howToFind())
}
