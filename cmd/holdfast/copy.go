package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
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
	trustSource                bool
	hinted                     bool // of what is in the way in the target
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

To an SFTP server or a directory hosts may have written by themselves. From there
comes what a host could have sent through the broker: jobs that it may push, no more a
day than max_per_day, none above max_size, none of a time to come; and no holds. The
rest is named. Where nobody but you can write, --trust-source copies it all.

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
	flags.BoolVar(&c.trustSource, "trust-source", false, "also holds, and what no host may send: for a source that no host writes to")
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
	c.rules(&fillOptions, registry)
	result, err := fill.Run(ctx, vaults[c.from], vaults[c.to], fillOptions)
	progress.Done()
	if err == nil && len(args) > 0 && len(result.Copied)+result.Present+len(result.Left)+len(result.Refused)+len(result.Failed)+result.Adopted == 0 {
		return fmt.Errorf("vault %q: %s", c.from, noBackups([]string{strings.Join(args, " or ")}))
	}
	if o.asJSON {
		err = errors.Join(err, cli.JSON(command.OutOrStdout(), result))
	} else {
		c.tellRefused(command.OutOrStdout(), result.Refused)
		if !c.quiet {
			c.summarize(command.OutOrStdout(), result)
		}
	}
	c.warnUnheld(fillOptions.Warn, result.Unheld)
	return c.outcome(result, err)
}

// rules sets what the configuration says of the two vaults and their jobs.
func (c *copying) rules(o *fill.Options, registry *config.Registry) {
	if !c.all {
		o.Keep = func(host, job string) (holdfast.Keep, bool) {
			p, ok := registry.PolicyIn(c.to, host, job)
			return p.Keep, ok
		}
	}
	o.HostSends = func(host, job string) bool {
		vaults, _, ok := registry.Job(host, job)
		return ok && slices.Contains(vaults, c.to) && !registry.Copied(c.to, host, job)
	}
	if registry.Vouches(c.from) || c.trustSource {
		return
	}
	o.HostQuota = func(host, job string) (holdfast.Quota, string) {
		vaults, p, ok := registry.Job(host, job)
		switch {
		case !ok:
			return p.Quota, "by the configuration the host may not push this job"
		case !slices.Contains(vaults, c.from):
			// Retention would not know that the target may have it from there.
			return p.Quota, fmt.Sprintf("by the configuration the job does not lie in vault %q", c.from)
		}
		return p.Quota, ""
	}
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
