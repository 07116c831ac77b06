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
	"github.com/holdfast-backup/holdfast/internal/operator"
	"github.com/holdfast-backup/holdfast/internal/restore"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// restoration is what `holdfast restore` was asked for.
type restoration struct {
	opening
	to, into                  string
	stdout, list              bool
	streams                   []string
	paths                     []string
	force, noOwner, trustHost bool
	binDir                    string
	quiet, raw                bool
}

func restoreCommand(o *options) *cobra.Command {
	r := restoration{opening: opening{asks: true}}
	command := &cobra.Command{
		Use:   "restore BACKUP (--to DIR | --into DATABASE | --stdout | --list)",
		Short: "Bring a backup back: into a directory, a database, or standard output",
		Long: `Bring a backup back. Signature, sizes and hashes are proven before anything bears
its final name or a database commits; nothing that exists is overwritten.

--to DIR writes dumps as files and archives as trees below DIR.
--into restores one dump: postgres://user@host/db, mysql://user@host/db,
sqlite:PATH; env:NAME or file:PATH where the URL holds a password.
--stdout writes one stream.
--list prints the names in archives, for --path, and restores nothing.
--raw --to DIR copies an adopted backup's files as they are, under their own names.`,
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
	flags.BoolVar(&r.list, "list", false, "print the names of the files in archives, and write nothing")
	flags.StringArrayVar(&r.streams, "stream", nil, "this stream of the backup only; may be repeated with --to and --list")
	flags.StringArrayVar(&r.paths, "path", nil, "with --to: only what lies at or under this path of an archive; may be repeated")
	flags.BoolVar(&r.force, "force", false, "with --into: also into a database that is not empty")
	flags.BoolVar(&r.noOwner, "no-owner", false, "do not restore owners")
	flags.BoolVar(&r.trustHost, "trust-host", false, "with --into: let psql run what a plain dump tells it to run on this machine; only if nobody else can have had the host")
	flags.StringVar(&r.binDir, "bin-dir", "", "with --into: directory of psql, pg_restore, mysql")
	flags.BoolVar(&r.raw, "raw", false, "with --to: copy the files of an adopted backup, of which nothing can be proven")
	flags.BoolVarP(&r.quiet, "quiet", "q", false, "no progress")
	return command
}

func (r *restoration) run(command *cobra.Command, o *options, selector string) error {
	if err := cli.ExactlyOne(command, "to", "into", "stdout", "list"); err != nil {
		return err
	}
	if len(r.streams) > 1 && r.to == "" && !r.list {
		return cli.Usage(errors.New("--stream: want one only, unless with --to or --list"))
	}
	if len(r.paths) > 0 && r.to == "" {
		return cli.Usage(errors.New("--path: goes with --to"))
	}
	if r.raw {
		return r.runRaw(command, o, selector)
	}
	for flag, given := range map[string]bool{"--stdout": r.stdout, "--list": r.list} {
		if given && o.asJSON {
			return cli.Usage(fmt.Errorf("--json: does not go with %s", flag))
		}
	}
	began := time.Now()
	progress := cli.NewProgress(command.ErrOrStderr(), r.quiet, time.Now)
	defer progress.Done()
	found, err := r.choosing(command, o, selector, progress)
	if err != nil {
		return err
	}
	var from operator.Copy
	var written []restore.Written
	err = found.firstCopy(command.Context(), func(c operator.Copy) (again bool, err error) {
		from = c
		written, again, err = r.write(command, c.Backup)
		return again, err
	})
	progress.Done()
	if errors.Is(err, restore.ErrNotFound) {
		err = cli.Hint(err, "`holdfast restore %s --list` with the same identity prints the names there are", found.Ref)
	}
	if err != nil {
		return fmt.Errorf("restore %s: %w", found.Ref, err)
	}
	if o.asJSON {
		return cli.JSON(command.OutOrStdout(), map[string]any{"ref": found.Ref, "vault": from.Vault, "signature": from.Signature, "restored": written})
	}
	for _, w := range written {
		fmt.Fprintf(command.ErrOrStderr(), "restored %s%s, stream %s: %s to %s in %s\n", found.Ref, fromVault(found.Placed, from.Vault), w.Stream, holdfast.Size(w.Size), w.Path, time.Since(began).Round(10*time.Millisecond))
	}
	return nil
}

// fromVault names the vault that a backup was taken from, where there was a choice.
func fromVault(p operator.Placed, vault string) string {
	if len(p.Places) < 2 {
		return ""
	}
	return " from vault " + holdfast.Printable(vault)
}

// write restores where the flags say. It reports with a failure whether it left
// nothing behind that is in the way of another attempt.
func (r *restoration) write(command *cobra.Command, backup *restore.Backup) (written []restore.Written, again bool, err error) {
	ctx := command.Context()
	stream := ""
	if len(r.streams) == 1 {
		stream = r.streams[0]
	}
	switch {
	case r.to != "":
		written, err := backup.ToDir(ctx, r.to, restore.DirOptions{Streams: r.streams, Paths: r.paths, NoOwner: r.noOwner})
		return written, true, err
	case r.list:
		out := &begunWriter{Writer: command.OutOrStdout()}
		err := r.listMembers(ctx, backup, out)
		return nil, !out.begun, err
	case r.stdout:
		widen(command.OutOrStdout())
		out := &begunWriter{Writer: command.OutOrStdout()}
		err := backup.ToWriter(ctx, stream, out)
		return nil, !out.begun, err
	}
	target, err := databaseTarget(r.into)
	if err != nil {
		return nil, false, cli.Usage(err)
	}
	one, err := backup.Into(ctx, target, restore.IntoOptions{Stream: stream, Force: r.force, NoOwner: r.noOwner, TrustHost: r.trustHost, BinDir: r.binDir})
	// The others change nothing before all is proven; MySQL knows no such thing.
	scheme, _, _ := strings.Cut(target.Reveal(), ":")
	return []restore.Written{one}, scheme != "mysql" && scheme != "mariadb", err
}

// begunWriter notes that something was written.
type begunWriter struct {
	io.Writer
	begun bool
}

func (w *begunWriter) Write(p []byte) (int, error) {
	w.begun = true
	return w.Writer.Write(p)
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
