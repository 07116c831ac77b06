package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/operator"
)

// isAdopted refuses what needs a manifest.
func isAdopted(ref holdfast.Ref) error {
	return cli.Hint(fmt.Errorf("%s is adopted: something other than Holdfast made it, so there is no signature and no hash to prove it by", ref),
		"`holdfast restore %s --raw --to DIR` copies its files as they are; what made them restores them", ref)
}

// runRaw copies the files of an adopted backup.
func (r *restoration) runRaw(command *cobra.Command, o *options, selector string) error {
	if r.to == "" || len(r.streams)+len(r.paths) > 0 {
		return cli.Usage(errors.New("--raw: goes with --to, and with neither --stream nor --path"))
	}
	if err := o.onlyDirect("restore --raw"); err != nil {
		return err
	}
	s, err := holdfast.ParseSelector(selector)
	if err != nil {
		return cli.Usage(err)
	}
	d, vaults, err := o.operator(command.Context())
	if err != nil {
		return err
	}
	found, missing, err := operator.Find(command.Context(), d, s, time.Now())
	if err != nil {
		return err
	}
	warnMissing(warner(command), missing)
	e := found.Places[0]
	if e.Adopted() == nil {
		return cli.Usage(cli.Hint(fmt.Errorf("--raw: %s is Holdfast's own", e.Ref), "restore it without --raw, which proves it"))
	}
	copied, err := copyRaw(command.Context(), vaults[e.Vault], e, r.to)
	if err != nil {
		return fmt.Errorf("restore %s: %w", e.Ref, err)
	}
	if o.asJSON {
		return cli.JSON(command.OutOrStdout(), map[string]any{"ref": e.Ref, "adopted": true, "files": copied})
	}
	for _, file := range copied {
		fmt.Fprintf(command.ErrOrStderr(), "copied %s to %s: adopted, not verified\n", e.Ref, holdfast.Printable(file))
	}
	return nil
}

// copyRaw copies the files into the directory, under the names they have where they
// lie, and returns their paths.
func copyRaw(ctx context.Context, vault holdfast.Reader, e operator.Entry, dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var copied []string
	for _, object := range e.Data {
		if object.Adopted == nil {
			continue
		}
		name := path.Base(object.Adopted.Key)
		if err := copyOne(ctx, vault, object, root, name); err != nil {
			return copied, err
		}
		copied = append(copied, filepath.Join(dir, name))
	}
	return copied, nil
}

// copyOne copies an object to a file that bears its name once it is whole.
func copyOne(ctx context.Context, vault holdfast.Reader, object holdfast.Object, root *os.Root, name string) error {
	temp := "." + name + ".partial"
	if err := root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer root.Remove(temp)
	defer f.Close()
	body, err := vault.Open(ctx, object.Key, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	n, err := io.Copy(f, body)
	if err == nil && n != object.Size {
		err = fmt.Errorf("copy %q: has %d bytes, was listed with %d: %w", name, n, object.Size, holdfast.ErrCorrupt)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = root.Link(temp, name) // which replaces nothing
	}
	return err
}
