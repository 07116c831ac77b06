package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast/internal/config"
)

// configured returns the configuration for the shell's questions, which come with
// every key: from a file alone, never over the network.
func (o *options) configured() (*config.Holdfast, error) {
	path, err := o.find()
	if err != nil {
		return nil, err
	}
	return config.LoadHoldfast(path)
}

// completeVault offers the names of the vaults to the shell.
func (o *options) completeVault(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	c, err := o.configured()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return slices.Sorted(maps.Keys(c.Vaults)), cobra.ShellCompDirectiveNoFileComp
}

// completeJob offers the names of the jobs to the shell: those that have an entry, and
// those that hosts may push by name.
func (o *options) completeJob(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := o.configured()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := map[string]bool{}
	for name := range c.Jobs {
		names[name] = true
	}
	for host, h := range c.Hosts {
		for _, job := range h.Jobs {
			names[host+"/"+job] = true
		}
	}
	maps.DeleteFunc(names, func(name string, _ bool) bool { return strings.ContainsAny(name, "*?[") })
	return slices.Sorted(maps.Keys(names)), cobra.ShellCompDirectiveNoFileComp
}
