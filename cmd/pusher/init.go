package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
)

// initialisation is what `pusher init` was asked for.
type initialisation struct {
	host, broker, dir, sftp string
	encryption
}

func initCommand() *cobra.Command {
	var i initialisation
	command := &cobra.Command{
		Use:   "init [--broker URL] [--sftp [NAME=]USER@HOST] (--recipient age1… | --identity FILE | --openpgp FILE | --passphrase-file FILE)",
		Short: "Make this host's keys and a commented pusher.yaml",
		Long: `Make this host's key and a commented pusher.yaml, and print the lines to paste
into holdfast.yaml on the server. Nothing that exists is overwritten.

With --sftp backups go to a server by SSH too, or alone if there is no broker: a key
for it is made, with the line to paste into authorized_keys there, and the server is
asked for its host key, to be compared there. PATH is as the server names it; ~/PATH
and no PATH at all, which means ~/vault, begin where it puts the user. NAME is that
of the destination, by default the first part of HOST. See docs/sftp.md. With neither, backups go to a directory of this host to begin with.

With --identity a new age identity is made as well: the one thing that decrypts
the backups. Take it off this host, to a safe place or two. --openpgp names a
public key, which is used where it lies. --passphrase-file names a passphrase,
which is made if it is not there; keep a copy of it off this host.`,
		Example: `  pusher init --host web1 --broker https://backup.example.org --recipient age1…
  pusher init --host web1 --broker https://backup.example.org --identity /media/usb/identity.txt
  pusher init --host web1 --sftp web1@nas.example.com/vault --identity identity.txt
  pusher init --host web1 --sftp box=u123456-sub1@u123456-sub1.your-storagebox.de:23 --openpgp backup.asc`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := cli.ExactlyOne(command, "recipient", "identity", "openpgp", "passphrase-file"); err != nil {
				return err
			}
			return i.run(command.Context(), command.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.StringVar(&i.host, "host", "", "name of this host (default: its host name)")
	flags.StringVar(&i.broker, "broker", "", "URL of the broker")
	flags.StringVar(&i.sftp, "sftp", "", "server to send to by SFTP: [NAME=]USER@HOST[:PORT][/PATH]")
	flags.StringVar(&i.dir, "dir", "", "directory for pusher.yaml and the keys (default /etc/holdfast, or ~/.config/holdfast)")
	flags.StringVar(&i.recipient, "recipient", "", "who can decrypt: age1…, age1pq1… or ssh-ed25519 …")
	flags.StringVar(&i.identity, "identity", "", "make a new age identity in this file, and encrypt to it")
	flags.StringVar(&i.openpgp, "openpgp", "", "encrypt to the OpenPGP public key in this file")
	flags.StringVar(&i.passphrase, "passphrase-file", "", "encrypt with the passphrase in this file; one that is not there is made")
	return command
}

func (i initialisation) run(ctx context.Context, out io.Writer) error {
	if err := i.complete(); err != nil {
		return err
	}
	configPath, keyPath := filepath.Join(i.dir, "pusher.yaml"), filepath.Join(i.dir, i.host+".key")
	starter := config.Starter{Host: i.host, Broker: i.broker, Key: filepath.Base(keyPath)}
	var err error
	if starter.Local, err = filepath.Abs(filepath.Join(i.dir, "backups")); err != nil {
		return err
	}
	paths := []string{configPath, keyPath, i.identity}
	var server *sftpServer
	if i.sftp != "" {
		if server, err = newServer(i.sftp, i.host, i.dir); err != nil {
			return err
		}
		starter.SFTP, paths = &server.entry, append(paths, server.keyPath)
	}
	if err := i.checkNew(paths); err != nil {
		return err
	}
	if err := checkApart(append(paths, i.passphrase, i.openpgp)); err != nil {
		return err
	}
	made, err := i.prepare(&starter, i.dir)
	if err != nil {
		return err
	}
	if err := i.try(configPath, starter); err != nil {
		return err
	}
	if server != nil {
		if err := server.ask(ctx); err != nil {
			return err
		}
	}
	public, err := i.write(starter, server, made, configPath, keyPath)
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`# made %s and the key beside it
# paste into holdfast.yaml on the server, with the jobs this host may push:
hosts:
  %s: { key: "%s", jobs: [etc] }
`, configPath, i.host, public)
	if server != nil {
		text += server.report()
	}
	_, err = io.WriteString(out, text+i.report(made))
	return err
}

// write makes the files, the configuration last, and returns the host's public key.
func (i initialisation) write(starter config.Starter, server *sftpServer, made secretFile, configPath, keyPath string) (public string, err error) {
	if made.text != nil {
		if err := cli.NewFile(made.path, made.text, 0o600); err != nil {
			return "", err
		}
	}
	if server != nil {
		if err := cli.NewFile(server.keyPath, server.private, 0o600); err != nil {
			return "", err
		}
	}
	if public, err = cli.NewKey(keyPath); err != nil {
		return "", err
	}
	if starter.Broker == "" && server == nil { // then it is where backups go
		if err := os.MkdirAll(starter.Local, 0o700); err != nil {
			return "", err
		}
	}
	return public, cli.NewFile(configPath, []byte(config.StarterPusher(starter)), 0o600)
}

// complete fills in defaults and checks the name, before anything is made.
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
	if i.dir == "" {
		dir, err := cli.ConfigDir()
		if err != nil {
			return err
		}
		i.dir = dir
	}
	return nil
}

// checkApart refuses to go on where two files would have one name.
func checkApart(paths []string) error {
	named := map[string]bool{}
	for _, path := range paths {
		if path == "" {
			continue
		}
		whole, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		if named[whole] {
			return cli.Usage(fmt.Errorf("write %q: two files would have this name", path))
		}
		named[whole] = true
	}
	return nil
}

// checkNew refuses to go on where something of what is to be made is there.
func (i initialisation) checkNew(paths []string) error {
	for _, path := range paths {
		if _, err := os.Lstat(path); path != "" && err == nil {
			hint := "remove it, or choose another place with --dir"
			if path == i.identity {
				hint = "to encrypt to it, pass --recipient with what `age-keygen -y` prints of it"
			}
			return cli.Usage(cli.Hint(fmt.Errorf("write %q: it exists already, and is left as it is", path), "%s", hint))
		}
	}
	return nil
}

// try reads the pusher.yaml to be, as if the server had shown its key, and says of
// one that will not do which flag is wrong.
func (i initialisation) try(path string, starter config.Starter) error {
	if starter.SFTP != nil {
		shown := *starter.SFTP
		shown.HostKey = "SHA256:" + strings.Repeat("A", 43)
		starter.SFTP = &shown
	}
	_, err := config.ParsePusher(path, []byte(config.StarterPusher(starter)))
	if problems, ok := errors.AsType[config.Problems](err); ok {
		switch at, text := problems[0].Path, problems[0].Text; {
		case at == "broker":
			err = fmt.Errorf("--broker %q: %s", i.broker, text)
		case strings.HasPrefix(at, "destinations."):
			err = fmt.Errorf("--sftp %q: %s", i.sftp, text)
		}
	}
	return cli.Usage(err)
}
