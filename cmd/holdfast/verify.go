package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/operator"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

func verifyCommand(o *options) *cobra.Command {
	var p opening
	var quiet bool
	command := &cobra.Command{
		Use:   "verify BACKUP",
		Short: "Download a backup and prove its signature, sizes and hashes",
		Long: `Download a backup and prove its signature, sizes and hashes. With an identity it is
decrypted and decompressed as well, to nowhere; without one the output says what
that leaves unproven. For a backup that is encrypted with a passphrase that is
--passphrase-file.`,
		Example: "  holdfast verify crm@latest -i identity.txt",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			progress := cli.NewProgress(command.ErrOrStderr(), quiet, time.Now)
			defer progress.Done()
			found, err := p.choosing(command, o, args[0], progress)
			if err != nil {
				return err
			}
			v := verified{Vault: found.Places[0].Vault}
			for _, other := range found.Places[1:] {
				v.AlsoIn = append(v.AlsoIn, other.Vault)
			}
			found.Places = found.Places[:1] // another copy that is right makes this one no better
			err = found.firstCopy(command.Context(), func(c operator.Copy) (again bool, err error) {
				v.Verification, err = c.Verify(command.Context())
				return false, err
			})
			progress.Done()
			if o.asJSON {
				err = errors.Join(err, cli.JSON(command.OutOrStdout(), v))
			} else if v.Ref != (holdfast.Ref{}) {
				printVerification(command.OutOrStdout(), v)
			}
			if err != nil {
				return fmt.Errorf("verify %s: %w", found.Ref, err)
			}
			return nil
		},
	}
	p.flags(command)
	command.Flags().BoolVarP(&quiet, "quiet", "q", false, "no progress")
	return command
}

// verified is what verify --json shows.
type verified struct {
	restore.Verification
	Vault  string   `json:"vault,omitempty"`   // whose copy it was
	AlsoIn []string `json:"also_in,omitempty"` // vaults whose copies were not looked at
}

func printVerification(w io.Writer, v verified) {
	in := ""
	if len(v.AlsoIn) > 0 {
		in = " in vault " + holdfast.Printable(v.Vault)
	}
	fmt.Fprintf(w, "%s%s: signature %s\n", v.Ref, in, v.Signature)
	for _, s := range v.Streams {
		switch {
		case s.Error != "":
			fmt.Fprintf(w, "  %s: WRONG: %s\n", s.Name, holdfast.PrintableLines(s.Error))
		case s.Plain:
			fmt.Fprintf(w, "  %s: stored %s and plain %s: sizes and hashes right\n", s.Name, holdfast.Size(s.StoredSize), holdfast.Size(s.PlainSize))
		default:
			fmt.Fprintf(w, "  %s: stored %s: size and hash right\n", s.Name, holdfast.Size(s.StoredSize))
		}
	}
	for _, u := range v.Unproven {
		fmt.Fprintf(w, "  not proven: %s\n", u)
	}
	for _, vault := range v.AlsoIn {
		fmt.Fprintf(w, "  not looked at: the copy in vault %s; name it with --vault\n", holdfast.Printable(vault))
	}
}
