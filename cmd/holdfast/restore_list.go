package main

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

// listMembers writes the names in the archives of the backup, a line each. They are
// proven once the last of them is written.
func (r *restoration) listMembers(ctx context.Context, backup *restore.Backup, w io.Writer) error {
	for _, name := range r.streams {
		if !slices.ContainsFunc(backup.Manifest.Streams, func(s holdfast.Stream) bool { return s.Name == name }) {
			return cli.Usage(fmt.Errorf("--stream %q: not in the backup, which has %s", name, streamNames(backup.Manifest)))
		}
	}
	archives := 0
	for _, s := range backup.Manifest.Streams {
		archive := s.Source.Format == "tar" || strings.HasSuffix(s.PlainFile, ".tar")
		if !archive || len(r.streams) > 0 && !slices.Contains(r.streams, s.Name) {
			continue
		}
		archives++
		if err := listArchive(ctx, backup, s.Name, w); err != nil {
			return err
		}
	}
	if archives == 0 {
		return cli.Hint(fmt.Errorf("list: no archive among what was asked for of %s", streamNames(backup.Manifest)), "only archives of files have names in them; --stdout shows what a dump holds")
	}
	return nil
}

func listArchive(ctx context.Context, backup *restore.Backup, stream string, w io.Writer) error {
	in, out := io.Pipe()
	restored := make(chan error, 1)
	go func() {
		err := backup.ToWriter(ctx, stream, out)
		out.CloseWithError(err)
		restored <- err
	}()
	err := writeNames(tar.NewReader(in), w)
	if err == nil {
		_, err = io.Copy(io.Discard, in) // to the last byte, so that the hashes are compared
	}
	in.CloseWithError(err)
	if broken := <-restored; broken != nil {
		return broken
	}
	return err
}

func writeNames(archive *tar.Reader, w io.Writer) error {
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, holdfast.Printable(h.Name)); err != nil {
			return err
		}
	}
}
