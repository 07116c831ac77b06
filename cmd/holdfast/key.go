package main

import (
	"crypto/ed25519"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/token"
)

func keyCommand(o *options) *cobra.Command {
	var path, public string
	command := &cobra.Command{
		Use:   "key NAME",
		Short: "Make an operator's key, to restore through the broker",
		Long: `Make an operator's key, to restore through the broker.

The private key is written to a file of mode 0600, which is never overwritten;
the lines for holdfast.yaml are printed. The key lists and downloads backups,
which stay encrypted. It cannot delete or change anything. The subcommands make
keys of stores; an operator cannot bear their names.`,
		Example: `  holdfast key ops
  holdfast key --public web1.key`,
		Args: func(command *cobra.Command, args []string) error {
			if public != "" {
				return cobra.NoArgs(command, args)
			}
			return cobra.ExactArgs(1)(command, args)
		},
		RunE: func(command *cobra.Command, args []string) error {
			if public != "" {
				return printPublic(command.OutOrStdout(), o.asJSON, public)
			}
			name := args[0]
			if err := holdfast.CheckName("operator", name); err != nil {
				return cli.Usage(err)
			}
			if path == "" {
				path = name + ".key"
			}
			public, err := cli.NewKey(path)
			if err != nil {
				return err
			}
			out := command.OutOrStdout()
			if o.asJSON {
				return cli.JSON(out, map[string]string{"name": name, "file": path, "key": public})
			}
			_, err = fmt.Fprintf(out, `# private key: %s
# paste into holdfast.yaml and reload the server:
operators:
  %s: { key: "%s" }
`, path, name, public)
			return err
		},
	}
	command.Flags().StringVar(&path, "out", "", "file for the private key (default NAME.key)")
	command.Flags().StringVar(&public, "public", "", "make nothing, and print the public key of the private key in this file again, an operator's or a host's")
	command.AddCommand(keyB2Command(o))
	return command
}

// printPublic prints the public key that belongs to a private one, as the
// configuration has it.
func printPublic(w io.Writer, asJSON bool, path string) error {
	key, err := token.LoadPrivateKey(path)
	if err != nil {
		return cli.Usage(err)
	}
	public := holdfast.FormatPublicKey(key.Public().(ed25519.PublicKey))
	if asJSON {
		return cli.JSON(w, map[string]string{"file": path, "key": public})
	}
	_, err = fmt.Fprintln(w, public)
	return err
}
