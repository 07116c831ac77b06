package main

import (
	"cmp"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/push"
	"github.com/holdfast-backup/holdfast/internal/source/stdin"
)

func pushCommand(o *options) *cobra.Command {
	var r reporting
	var file, trailer string
	command := &cobra.Command{
		Use:   "push JOB < FILE",
		Short: "Back up standard input as one backup of a job",
		Long: `Back up standard input as one backup of a job that is not in pusher.yaml: among the
backups of a job with sources of its own it would pass for a whole one.

A program before a pipe can fail without anybody noticing: let pusher run it
(sources of kind command), or say with --trailer how a whole dump ends.`,
		Example:           `  mysqldump shop | pusher push shop --name shop.sql --trailer '-- Dump completed'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completeJob,
		RunE: func(command *cobra.Command, args []string) error {
			c, err := o.load()
			if err != nil {
				return err
			}
			name := args[0]
			if err := holdfast.CheckName("job", name); err != nil {
				return cli.Usage(err)
			}
			if _, ok := c.Jobs[name]; ok {
				return cli.Usage(cli.Hint(fmt.Errorf("push %s: the job has sources of its own in pusher.yaml", name), "run them with `pusher run %s`, or push under another name", name))
			}
			if cli.IsTerminal(command.InOrStdin().(*os.File)) {
				return cli.Usage(cli.Hint(fmt.Errorf("push %s: standard input is a terminal", name), "pipe a dump into it"))
			}
			job, err := newJob(c, name, config.PusherJob{})
			if err != nil {
				return err
			}
			source, err := stdin.New(stdin.Options{File: cmp.Or(file, name+".dump"), Reader: command.InOrStdin(), Trailer: trailer})
			if err != nil {
				return cli.Usage(err)
			}
			job.Sources = []push.Source{{Stream: name, Source: source}}
			return r.run(command, c, []push.Job{job}, false)
		},
	}
	r.flags(command)
	command.Flags().StringVar(&file, "name", "", "file name of the plain dump (default JOB.dump)")
	command.Flags().StringVar(&trailer, "trailer", "", "text that the end of a whole dump contains")
	return command
}
