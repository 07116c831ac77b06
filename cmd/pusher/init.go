package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/stream"
)

// initialisation is what `pusher init` was asked for.
type initialisation struct {
	host, broker, dir string
	identity          string // file for a new age identity
	recipient         string
}

func initCommand() *cobra.Command {
	var i initialisation
	command := &cobra.Command{
		Use:   "init [--broker URL] (--recipient age1… | --identity FILE)",
		Short: "Make this host's key and a commented pusher.yaml",
		Long: `Make this host's key and a commented pusher.yaml, and print the lines to paste
into holdfast.yaml on the server. Nothing that exists is overwritten.

Without --broker this host sends its backups by itself: to a directory to begin
with, and by SFTP to a server, see docs/sftp.md.

With --identity a new age identity is made as well: the one thing that decrypts
the backups. Take it off this host, to a safe place or two.`,
		Example: `  pusher init --host web1 --broker https://backup.example.org --recipient age1…
  pusher init --host web1 --broker https://backup.example.org --identity /media/usb/identity.txt`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return i.run(command) },
	}
	flags := command.Flags()
	flags.StringVar(&i.host, "host", "", "name of this host (default: its host name)")
	flags.StringVar(&i.broker, "broker", "", "URL of the broker (without: backups go to a directory, and to what you add in pusher.yaml)")
	flags.StringVar(&i.dir, "dir", "", "directory for pusher.yaml and the key (default /etc/holdfast, or ~/.config/holdfast)")
	flags.StringVar(&i.recipient, "recipient", "", "who can decrypt: age1…, age1pq1… or ssh-ed25519 …")
	flags.StringVar(&i.identity, "identity", "", "make a new age identity in this file, and encrypt to it")
	return command
}

func (i initialisation) run(command *cobra.Command) error {
	if err := cli.ExactlyOne(command, "recipient", "identity"); err != nil {
		return err
	}
	if err := i.complete(); err != nil {
		return err
	}
	configPath, keyPath := filepath.Join(i.dir, "pusher.yaml"), filepath.Join(i.dir, i.host+".key")
	for _, path := range []string{configPath, keyPath, i.identity} {
		if _, err := os.Lstat(path); path != "" && err == nil {
			hint := "remove it, or choose another place with --dir"
			if path == i.identity {
				hint = "to encrypt to it, pass --recipient with what `age-keygen -y` prints of it"
			}
			return cli.Usage(cli.Hint(fmt.Errorf("write %q: it exists already, and is left as it is", path), "%s", hint))
		}
	}
	identity, err := i.newIdentity()
	if err != nil {
		return err
	}
	local, err := filepath.Abs(filepath.Join(i.dir, "backups"))
	if err != nil {
		return err
	}
	text := config.StarterPusher(i.host, i.broker, local, filepath.Base(keyPath), i.recipient)
	if _, err := config.ParsePusher(configPath, []byte(text)); err != nil {
		return cli.Usage(i.explain(err))
	}
	if i.identity != "" {
		if err := cli.NewFile(i.identity, identity, 0o600); err != nil {
			return err
		}
	}
	public, err := cli.NewKey(keyPath)
	if err != nil {
		return err
	}
	if err := cli.NewFile(configPath, []byte(text), 0o600); err != nil {
		return err
	}
	return i.report(command, configPath, public)
}

// complete fills in defaults and checks what was given, before anything is made.
func (i *initialisation) complete() error {
	if i.host == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find this host's name: %w", err)
		}
		i.host, _, _ = strings.Cut(strings.ToLower(name), ".")
	}
	if err := holdfast.CheckName("host", i.host); err != nil {
		return cli.Usage(cli.Hint(err, "name it with --host"))
	}
	if i.recipient != "" {
		if _, err := stream.ParseRecipients([]string{i.recipient}); err != nil {
			return cli.Usage(cli.Hint(fmt.Errorf("--recipient: %w", err), "`age-keygen -y` prints the recipient of an identity; --identity makes a new one"))
		}
	}
	if i.dir == "" {
		dir, err := cli.ConfigDir()
		if err != nil {
			return err
		}
		i.dir = dir
	}
	return nil
}

func (i initialisation) report(command *cobra.Command, configPath, public string) error {
	out := command.OutOrStdout()
	_, err := fmt.Fprintf(out, `# made %s and the key beside it
# paste into holdfast.yaml on the server, with the jobs this host may push:
hosts:
  %s: { key: "%s", jobs: [etc] }
`, configPath, i.host, public)
	if i.identity != "" {
		_, err2 := fmt.Fprintf(out, `#
# made the age identity %s
# It alone decrypts the backups, and this host does not need it: move it to a
# safe place or two, away from this host and from the server.
`, i.identity)
		err = errors.Join(err, err2)
	}
	return err
}

// newIdentity makes an age identity, if one was asked for, to encrypt to, and
// returns the text of its file.
func (i *initialisation) newIdentity() ([]byte, error) {
	if i.identity == "" {
		return nil, nil
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("make age identity: %w", err)
	}
	i.recipient = identity.Recipient().String()
	return fmt.Appendf(nil, "# decrypts Holdfast backups; keep it off the backed-up hosts\n# public key: %s\n%s\n", i.recipient, identity), nil
}

// explain says of a pusher.yaml that is not there yet which flag is wrong.
func (i initialisation) explain(err error) error {
	problems, ok := errors.AsType[config.Problems](err)
	if ok && problems[0].Path == "broker" {
		return fmt.Errorf("--broker %q: %s", i.broker, problems[0].Text)
	}
	return err
}
