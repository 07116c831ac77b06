package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/restore"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// restoration is what `holdfast restore` was asked for.
type restoration struct {
	opening
	to, into                  string
	stdout                    bool
	streams                   []string
	paths                     []string
	force, noOwner, trustHost bool
	binDir                    string
	quiet                     bool
}

func restoreCommand(o *options) *cobra.Command {
	var r restoration
	command := &cobra.Command{
		Use:   "restore BACKUP (--to DIR | --into DATABASE | --stdout)",
		Short: "Bring a backup back: into a directory, a database, or standard output",
		Long: `Bring a backup back. Signature, sizes and hashes are proven before anything bears
its final name or a database commits; nothing that exists is overwritten.

--to DIR writes dumps as files and archives as trees below DIR.
--into restores one dump: postgres://user@host/db, mysql://user@host/db,
sqlite:PATH; env:NAME or file:PATH where the URL holds a password.
--stdout writes one stream.`,
		Example: `  holdfast restore crm --to /srv/restored -i identity.txt
  holdfast restore web1/crm@2025-10-28 --into env:RESTORE_URL -i identity.txt
  holdfast restore crm --stream files --path srv/crm/uploads/logo.png --to . -i identity.txt
  holdfast restore crm --stream crm --stdout -i identity.txt | less`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error { return r.run(command, o, args[0]) },
	}
	r.flags(command)
	flags := command.Flags()
	flags.StringVar(&r.to, "to", "", "directory to restore into")
	flags.StringVar(&r.into, "into", "", "database to restore into")
	flags.BoolVar(&r.stdout, "stdout", false, "write the plain stream to standard output")
	flags.StringArrayVar(&r.streams, "stream", nil, "this stream of the backup only; may be repeated with --to")
	flags.StringArrayVar(&r.paths, "path", nil, "with --to: only what lies at or under this path of an archive; may be repeated")
	flags.BoolVar(&r.force, "force", false, "with --into: also into a database that is not empty")
	flags.BoolVar(&r.noOwner, "no-owner", false, "do not restore owners")
	flags.BoolVar(&r.trustHost, "trust-host", false, "with --into: let psql run what a plain dump tells it to run on this machine; only if nobody else can have had the host")
	flags.StringVar(&r.binDir, "bin-dir", "", "with --into: directory of psql, pg_restore, mysql")
	flags.BoolVarP(&r.quiet, "quiet", "q", false, "no progress")
	return command
}

func (r *restoration) run(command *cobra.Command, o *options, selector string) error {
	if err := cli.ExactlyOne(command, "to", "into", "stdout"); err != nil {
		return err
	}
	if len(r.streams) > 1 && r.to == "" {
		return cli.Usage(errors.New("--stream: want one only, unless with --to"))
	}
	if len(r.paths) > 0 && r.to == "" {
		return cli.Usage(errors.New("--path: goes with --to"))
	}
	if r.stdout && o.asJSON {
		return cli.Usage(errors.New("--json: does not go with --stdout"))
	}
	began := time.Now()
	progress := cli.NewProgress(command.ErrOrStderr(), r.quiet, time.Now)
	defer progress.Done()
	backup, e, _, err := r.open(command, o, selector, progress)
	if err != nil {
		return err
	}
	written, err := r.write(command, backup)
	progress.Done()
	if err != nil {
		return fmt.Errorf("restore %s: %w", e.Ref, err)
	}
	if o.asJSON {
		return cli.JSON(command.OutOrStdout(), map[string]any{"ref": e.Ref, "signature": backup.Signature, "restored": written})
	}
	for _, w := range written {
		fmt.Fprintf(command.ErrOrStderr(), "restored %s, stream %s: %s to %s in %s\n", e.Ref, w.Stream, holdfast.Size(w.Size), w.Path, time.Since(began).Round(10*time.Millisecond))
	}
	return nil
}

// write restores where the flags say.
func (r *restoration) write(command *cobra.Command, backup *restore.Backup) ([]restore.Written, error) {
	ctx := command.Context()
	stream := ""
	if len(r.streams) == 1 {
		stream = r.streams[0]
	}
	switch {
	case r.to != "":
		return backup.ToDir(ctx, r.to, restore.DirOptions{Streams: r.streams, Paths: r.paths, NoOwner: r.noOwner})
	case r.stdout:
		widen(command.OutOrStdout())
		return nil, backup.ToWriter(ctx, stream, command.OutOrStdout())
	}
	target, err := databaseTarget(r.into)
	if err != nil {
		return nil, cli.Usage(err)
	}
	written, err := backup.Into(ctx, target, restore.IntoOptions{Stream: stream, Force: r.force, NoOwner: r.noOwner, TrustHost: r.trustHost, BinDir: r.binDir})
	return []restore.Written{written}, err
}

// widen has a pipe hold as much as one write takes, so that writer and reader
// take turns less often. What is no pipe, or may not, stays as it is.
func widen(w io.Writer) {
	if f, ok := w.(*os.File); ok {
		unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, 1<<20)
	}
}

// databaseTarget returns what --into names; a reference keeps a password out of
// the list of processes.
func databaseTarget(into string) (secret.Secret, error) {
	if kind, _, _ := strings.Cut(into, ":"); kind == "env" || kind == "file" {
		return secret.Ref(into).Resolve()
	}
	return secret.New(into), nil
}
