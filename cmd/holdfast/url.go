package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/broker"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/operator"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

func urlCommand(o *options) *cobra.Command {
	var p opening
	var stream string
	valid := holdfast.Span{N: 24, Unit: holdfast.Hour}
	command := &cobra.Command{
		Use:   "url BACKUP",
		Short: "Make links to a backup, and the lines that restore it with curl, age and zstd",
		Long: `Make tickets, links to the files of one backup that anybody may use until they
expire, and print the lines to paste on a machine that has no Holdfast: curl, age,
zstd and the database's own client are enough. What is fetched is encrypted; the
identity stays with you.`,
		Example: "  holdfast url crm@latest --valid 2d",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if valid.Duration() <= 0 || valid.Duration() > broker.MaxTicketLife {
				return cli.Usage(fmt.Errorf("--valid %s: want more than nothing and at most 7d", valid))
			}
			found, err := p.choosing(command, o, args[0], cli.NewProgress(nil, true, time.Now))
			if err != nil {
				return err
			}
			if err := found.onlySigned(); err != nil {
				return err
			}
			var backup operator.Copy
			err = found.firstCopy(command.Context(), func(c operator.Copy) (bool, error) {
				backup = c
				return false, nil
			})
			if err != nil {
				return err
			}
			e := backup.Entry
			if !slices.ContainsFunc(backup.Manifest.Streams, func(s holdfast.Stream) bool { return stream == "" || s.Name == stream }) {
				return cli.Usage(fmt.Errorf("--stream %q: not in %s, which has %s", stream, e.Ref, streamNames(backup.Manifest)))
			}
			urls, expires := map[string]string{}, time.Time{}
			for _, s := range backup.Manifest.Streams {
				if stream != "" && s.Name != stream {
					continue
				}
				ticket, err := found.backups.Ticket(command.Context(), e, s.File, valid.Duration())
				if err != nil {
					return err
				}
				urls[s.File], expires = ticket.URL, ticket.Expires
			}
			lines, err := restore.Lines(backup.Manifest, urls)
			if err != nil {
				return err
			}
			if o.asJSON {
				return cli.JSON(command.OutOrStdout(), map[string]any{"ref": e.Ref, "urls": urls, "expires": expires, "lines": lines})
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "# The links are valid until %s.\n%s", expires.Format(time.RFC3339), lines)
			return err
		},
	}
	command.Flags().TextVar(&valid, "valid", valid, "how long the links are valid, at most 7d")
	command.Flags().StringVar(&stream, "stream", "", "this stream of the backup only")
	p.trustFlags(command)
	return command
}

// onlySigned leaves out the vaults that the broker cannot sign for, where the links
// would lead nowhere.
func (c *chosen) onlySigned() error {
	direct, ok := c.backups.(*operator.Direct)
	if !ok {
		return nil
	}
	places := slices.DeleteFunc(slices.Clone(c.Places), func(e operator.Entry) bool { return !direct.Signs(e.Vault) })
	if len(places) == 0 {
		return cli.Hint(fmt.Errorf("make links to %s: it lies only where the broker cannot sign downloads, in vault %q", c.Ref, c.Places[0].Vault),
			"restore it with holdfast restore, or fetch its files from there by hand: docs/restore.md")
	}
	c.Places = places
	return nil
}

func streamNames(m holdfast.Manifest) string {
	var names []string
	for _, s := range m.Streams {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}
