package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
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
that leaves unproven.`,
		Example: "  holdfast verify crm@latest -i identity.txt",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			progress := cli.NewProgress(command.ErrOrStderr(), quiet, time.Now)
			defer progress.Done()
			backup, e, _, err := p.open(command, o, args[0], progress)
			if err != nil {
				return err
			}
			v, err := backup.Verify(command.Context())
			progress.Done()
			if o.asJSON {
				err = errors.Join(err, cli.JSON(command.OutOrStdout(), v))
			} else {
				printVerification(command.OutOrStdout(), v)
			}
			if err != nil {
				return fmt.Errorf("verify %s: %w", e.Ref, err)
			}
			return nil
		},
	}
	p.flags(command)
	command.Flags().BoolVarP(&quiet, "quiet", "q", false, "no progress")
	return command
}

func printVerification(w io.Writer, v restore.Verification) {
	fmt.Fprintf(w, "%s: signature %s\n", v.Ref, v.Signature)
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
}
