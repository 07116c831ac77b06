package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/fill"
	"github.com/holdfast-backup/holdfast/internal/site"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

// copying is what `holdfast copy` was asked for.
type copying struct {
	opening
	from, to                   string
	all, create, dryRun, quiet bool
}

func copyCommand(o *options) *cobra.Command {
	var c copying
	command := &cobra.Command{
		Use:   "copy --from VAULT --to VAULT [[HOST/]JOB]...",
		Short: "Fill a vault with the backups that another has and it lacks",
		Long: `Fill a vault with the backups that another has and it lacks, the newest first: a new
vault, or one that was down for a while. Signatures, sizes and hashes are proven on
the way, holds are copied, and nothing that is in the target is replaced. What was cut
off is finished by running it again: an object that is there already is read back and
proven instead of being sent.

What the target's retention would delete at once is left out, unless with --all.
Names of jobs copy these alone; * stands for any letters.

Exit codes: 0 all is there, 1 nothing could be copied, 3 part of it could not.`,
		Example: `  holdfast copy --from main --to second --dry-run
  holdfast copy --from main --to nas 'web1/*'
  holdfast copy --from main --to second --quiet      # for cron`,
		RunE: func(command *cobra.Command, args []string) error { return c.run(command, o, args) },
	}
	flags := command.Flags()
	flags.StringVar(&c.from, "from", "", "the vault to copy from")
	flags.StringVar(&c.to, "to", "", "the vault to fill")
	flags.BoolVar(&c.all, "all", false, "also what the target's retention would delete at once")
	flags.BoolVar(&c.create, "create", false, "begin a new vault where the target's directory is empty or absent")
	flags.BoolVarP(&c.dryRun, "dry-run", "n", false, "say what would be copied")
	flags.BoolVarP(&c.quiet, "quiet", "q", false, "say nothing of what was copied, only of what was not")
	c.trustFlags(command)
	return command
}

func (c *copying) run(command *cobra.Command, o *options, args []string) error {
	if err := o.onlyDirect("copy"); err != nil {
		return err
	}
	switch {
	case o.vault != "":
		return cli.Usage(errors.New("--vault: copy has --from and --to"))
	case c.from == "" || c.to == "":
		return cli.Usage(errors.New("want both --from and --to"))
	case c.from == c.to:
		return cli.Usage(fmt.Errorf("--from and --to are both %q", c.from))
	}
	jobs, err := wantedJobs(args)
	if err != nil {
		return err
	}
	ctx := command.Context()
	configured, err := o.load(ctx)
	if err != nil {
		return err
	}
	registry, err := configured.Registry()
	if err != nil {
		return cli.Usage(err)
	}
	vaults, err := c.open(ctx, configured)
	if err != nil {
		return err
	}
	progress := cli.NewProgress(command.ErrOrStderr(), c.quiet, time.Now)
	defer progress.Done()
	fillOptions := fill.Options{
		Jobs: jobs, HostKeys: c.hostKeysOf(registry), SkipSignature: c.skipSignature, DryRun: c.dryRun,
		Now: time.Now, Warn: warner(command),
		Progress: func(ref holdfast.Ref, done, total int64) { progress.Set(ref.String(), done, total) },
		Done: func(one fill.Copied, err error) {
			progress.Done()
			if !o.asJSON {
				c.tell(command.OutOrStdout(), one, err)
			}
		},
	}
	if !c.all {
		fillOptions.Keep = func(host, job string) (holdfast.Keep, bool) {
			p, ok := registry.PolicyIn(c.to, host, job)
			return p.Keep, ok
		}
	}
	result, err := fill.Run(ctx, vaults[c.from], vaults[c.to], fillOptions)
	progress.Done()
	if err == nil && len(args) > 0 && len(result.Copied)+result.Present+len(result.Left)+len(result.Failed)+result.Adopted == 0 {
		return fmt.Errorf("vault %q: %s", c.from, noBackups([]string{strings.Join(args, " or ")}))
	}
	if o.asJSON {
		err = errors.Join(err, cli.JSON(command.OutOrStdout(), result))
	} else if !c.quiet {
		c.summarize(command.OutOrStdout(), result)
	}
	return c.outcome(result, err)
}

// open opens the two vaults.
func (c *copying) open(ctx context.Context, configured *config.Holdfast) (map[string]holdfast.Vault, error) {
	two := map[string]config.Vault{}
	for _, name := range []string{c.from, c.to} {
		v, ok := configured.Vaults[name]
		if !ok {
			return nil, cli.Usage(fmt.Errorf("vault %q: not in the configuration, which has %s", name, strings.Join(slices.Sorted(maps.Keys(configured.Vaults)), ", ")))
		}
		two[name] = v
	}
	vaults, err := site.Vaults(ctx, two, func(name string) open.Options {
		return open.Options{Secrets: secrets(), Now: time.Now, Create: c.create && name == c.to}
	})
	for name, vault := range vaults { // what is adopted cannot be proven on the way
		vaults[name] = open.Own(vault)
	}
	return vaults, err
}

// hostKeysOf returns what says which keys of a host count: --host-key, else those
// of the configuration.
func (c *copying) hostKeysOf(registry *config.Registry) func(host string) ([]ed25519.PublicKey, error) {
	return func(host string) ([]ed25519.PublicKey, error) {
		choose, err := c.choose(&options{}, host, nil)
		if err != nil {
			return nil, err
		}
		return choose(registry.HostKeys(host))
	}
}

// wantedJobs returns what says whether one of the names means a job; nil for all.
func wantedJobs(names []string) (func(host, job string) bool, error) {
	if len(names) == 0 {
		return nil, nil
	}
	for _, name := range names {
		host, job, both := strings.Cut(name, "/")
		if !both {
			host, job = "*", name
		}
		for what, pattern := range map[string]string{"host": host, "job": job} {
			if err := holdfast.CheckName(what, strings.ReplaceAll(pattern, "*", "a")); err != nil {
				return nil, cli.Usage(fmt.Errorf("%q: want JOB or HOST/JOB, in which * stands for any letters: %w", name, err))
			}
		}
	}
	return func(host, job string) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			if !strings.Contains(name, "/") {
				name = "*/" + name
			}
			matches, err := path.Match(name, host+"/"+job)
			return err == nil && matches
		})
	}, nil
}

// tell says what became of one backup.
func (c *copying) tell(w io.Writer, one fill.Copied, err error) {
	switch {
	case err != nil:
		fmt.Fprintf(w, "NOT COPIED %s: %s\n", one.Ref, holdfast.PrintableLines(err.Error()))
	case c.quiet:
	case c.dryRun:
		fmt.Fprintf(w, "would copy %s, %s\n", one.Ref, holdfast.Size(one.Size))
	case one.Sent < one.Size:
		fmt.Fprintf(w, "copied %s, %s, of which %s were there already and have been proven\n", one.Ref, holdfast.Size(one.Size), holdfast.Size(one.Size-one.Sent))
	default:
		fmt.Fprintf(w, "copied %s, %s\n", one.Ref, holdfast.Size(one.Size))
	}
}

func (c *copying) summarize(w io.Writer, r fill.Result) {
	var size int64
	for _, one := range r.Copied {
		size += one.Size
	}
	verb := "copied"
	if c.dryRun {
		verb = "to copy"
	}
	fmt.Fprintf(w, "%d %s from %s to %s (%s), %d there already", len(r.Copied), verb, c.from, c.to, holdfast.Size(size), r.Present)
	if n := len(r.Left); n > 0 {
		fmt.Fprintf(w, ", %d left out that retention would delete there", n)
	}
	if r.Adopted > 0 {
		fmt.Fprintf(w, ", %d adopted ones left out, which nothing proves", r.Adopted)
	}
	if n := len(r.Failed); n > 0 {
		fmt.Fprintf(w, ", %d failed", n)
	}
	fmt.Fprintln(w)
}

// outcome returns the error that the exit code says: of a part, where something was
// or is there.
func (c *copying) outcome(r fill.Result, err error) error {
	some := len(r.Copied)+r.Present > 0
	switch {
	case err != nil && some:
		return cli.Partial(err)
	case err != nil:
		return err
	case len(r.Failed) > 0 && some:
		return cli.Silent(cli.ExitPartial)
	case len(r.Failed) > 0:
		return cli.Silent(cli.ExitFailed)
	}
	return nil
}
