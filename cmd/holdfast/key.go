package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
)

func keyCommand(o *options) *cobra.Command {
	var path string
	command := &cobra.Command{
		Use:   "key NAME",
		Short: "Make an operator's key, to restore through the broker",
		Long: `Make an operator's key, to restore through the broker.

The private key is written to a file of mode 0600, which is never overwritten;
the lines for holdfast.yaml are printed. The key lists and downloads backups,
which stay encrypted. It cannot delete or change anything. The subcommands make
keys of stores; an operator cannot bear their names.`,
		Example: "  holdfast key ops",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
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
	command.AddCommand(keyB2Command(o))
	return command
}
