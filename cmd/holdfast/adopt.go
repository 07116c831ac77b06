package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/adopt/pattern"
	"github.com/holdfast-backup/holdfast/internal/adopt/survey"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/vault/adopt"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

// adoption is what `holdfast adopt` was asked for.
type adoption struct {
	dir, pattern, below, host, zone string
	own                             *pattern.Pattern
	location                        *time.Location
}

func adoptCommand(o *options) *cobra.Command {
	var a adoption
	command := &cobra.Command{
		Use:   "adopt",
		Short: "List backups that other programs have made, and how to have them watched",
		Long: `Look through the configured vaults, or a directory, for backups that other programs
have made, by the times in their names: spatie/laravel-backup, django-dbbackup,
name_YYYYMMDD_HHMMSS with .sql.gz, .tar.gz or the like behind it, and a --pattern of
your own with {year} {month} {day} {hour} {minute} {second} and *. Say what was found, what a policy would keep of it,
what was not recognised, and print the lines that have holdfast.yaml adopt it.

It changes nothing. What is adopted is watched, and not deleted before delete: true
is set. docs/adopt.md tells the rest.`,
		Example: `  holdfast adopt --vault main
  holdfast adopt --dir /var/backups --host web1 --time-zone Europe/Paris
  holdfast adopt --dir /var/backups --pattern 'dumps/crm_{year}{month}{day}.sql.gz'`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return a.run(command, o) },
	}
	flags := command.Flags()
	flags.StringVar(&a.dir, "dir", "", "look into this directory instead of a vault; needs no configuration")
	flags.StringVar(&a.pattern, "pattern", "", "look for names of this pattern first")
	flags.StringVar(&a.below, "below", "", "look below this folder only")
	flags.StringVar(&a.host, "host", "adopted", "host to propose; the name that pusher will have there, if it will")
	flags.StringVar(&a.zone, "time-zone", "UTC", "time zone of the times in the names")
	return command
}

func (a *adoption) run(command *cobra.Command, o *options) error {
	if err := a.check(o); err != nil {
		return err
	}
	var all []adoptable
	var err error
	if a.dir != "" {
		var one adoptable
		one, err = a.lookIntoDir(command.Context())
		all = append(all, one)
	} else {
		all, err = a.lookIntoVaults(command.Context(), o)
	}
	if err != nil {
		return err
	}
	if o.asJSON {
		return cli.JSON(command.OutOrStdout(), map[string]any{"vaults": all})
	}
	for _, one := range all {
		if err := one.print(command.OutOrStdout()); err != nil {
			return err
		}
		if len(one.Jobs) == 0 && one.Unread.Files > 0 {
			fmt.Fprintf(command.OutOrStdout(), "  for names of your own there is --pattern, such as --pattern '%s'\n", a.example(one.Unread.Examples))
		}
	}
	return nil
}

// example returns a pattern for one of the names that were seen, if there is one with a
// time in it.
func (a *adoption) example(names []string) string {
	for _, name := range names {
		if name = strings.TrimPrefix(name, a.below+"/"); !adopt.Usable(name) || strings.Contains(name, "'") {
			continue
		}
		if text, ok := pattern.Suggest(name); ok {
			return text
		}
	}
	return "dumps/crm_{year}{month}{day}.sql.gz"
}

func (a *adoption) check(o *options) error {
	if err := o.onlyDirect("adopt"); err != nil {
		return err
	}
	if a.dir != "" && o.vault != "" {
		return cli.Usage(errors.New("want one of --dir and --vault"))
	}
	if a.pattern != "" {
		p, err := pattern.Parse(a.pattern)
		if err != nil {
			return cli.Usage(fmt.Errorf("--pattern: %w", err))
		}
		a.own = &p
	}
	if a.below != "" && !adopt.Usable(a.below) {
		return cli.Usage(fmt.Errorf("--below %q: want folders between slashes, with none at the ends", a.below))
	}
	var err error
	if a.location, err = time.LoadLocation(a.zone); err != nil || a.zone == "Local" {
		return cli.Usage(fmt.Errorf("--time-zone %q: want a name such as UTC or Europe/Paris", a.zone))
	}
	return cli.Usage(holdfast.CheckName("host", a.host))
}

func (a *adoption) lookIntoDir(ctx context.Context) (adoptable, error) {
	dir, err := filepath.Abs(a.dir)
	if err != nil {
		return adoptable{}, err
	}
	files, err := adopt.OpenDir(dir)
	if err != nil {
		return adoptable{}, err
	}
	defer files.Close()
	return a.look(ctx, files, adoptable{Vault: filepath.Base(dir), Dir: dir}, &config.Holdfast{})
}

func (a *adoption) lookIntoVaults(ctx context.Context, o *options) ([]adoptable, error) {
	c, err := o.load(ctx)
	if err != nil {
		return nil, err
	}
	var all []adoptable
	for _, name := range slices.Sorted(maps.Keys(c.Vaults)) {
		if o.vault != "" && name != o.vault {
			continue
		}
		source, err := open.Source(ctx, c.Vaults[name], open.Options{Secrets: secrets(), Now: time.Now})
		if err != nil {
			return nil, fmt.Errorf("vault %q: %w", name, err)
		}
		one, err := a.look(ctx, source, adoptable{Vault: name}, c)
		if closer, ok := source.(io.Closer); ok {
			closer.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("vault %q: %w", name, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// look surveys one place, and works out what adopting it would mean.
func (a *adoption) look(ctx context.Context, source adopt.Source, found adoptable, c *config.Holdfast) (adoptable, error) {
	configured := c.Vaults[found.Vault].Adopt
	o := survey.Options{Own: a.own, Below: a.below, Skip: adopt.IsOwn, Usable: adopt.Usable}
	for _, one := range configured {
		rule, err := pattern.ParseRule(one.Pattern, one.Below)
		if err != nil {
			return found, err
		}
		o.Adopted = append(o.Adopted, rule)
	}
	s, err := survey.New(o)
	if err != nil {
		return found, err
	}
	for file, err := range source.List(ctx, a.below) {
		if err != nil {
			return found, err
		}
		s.Add(file.Key, file.Size)
	}
	found.Unread, found.Overlaps = s.Unread, s.Overlaps()
	return a.plan(ctx, source, found, c, s.Proposals())
}
