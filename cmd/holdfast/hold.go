package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/operator"
)

// held is what the hold's object says; retention looks at its presence alone.
type held struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

func holdCommand(o *options) *cobra.Command {
	var reason string
	command := &cobra.Command{
		Use:     "hold BACKUP",
		Short:   "Pin a backup, so that retention leaves it",
		Example: "  holdfast hold crm@2025-10-28 --reason 'before the migration'",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return o.pin(command, "hold", args[0], func(vault holdfast.Vault, e operator.Entry) error {
				if e.Held {
					return nil
				}
				mark := held{By: whoami(), At: time.Now().UTC().Truncate(time.Second), Reason: reason}
				body, err := json.Marshal(mark)
				if err != nil {
					return err
				}
				return vault.Put(command.Context(), e.HoldKey(), append(body, '\n'))
			})
		},
	}
	command.Flags().StringVar(&reason, "reason", "", "why, for whoever finds it")
	return command
}

func releaseCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "release BACKUP",
		Short:   "Let retention have a held backup again",
		Example: "  holdfast release crm@20251028T140000Z-9f3c2a7d",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return o.pin(command, "release", args[0], func(vault holdfast.Vault, e operator.Entry) error {
				return vault.Delete(command.Context(), e.HoldKey())
			})
		},
	}
}

// pin finds a backup and changes its hold in every vault that has it.
func (o *options) pin(command *cobra.Command, what, selector string, change func(holdfast.Vault, operator.Entry) error) error {
	if err := o.onlyDirect(what); err != nil {
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
	done, errs := []string{}, []error{}
	for _, e := range found.Places {
		if err := change(vaults[e.Vault], e); err != nil {
			errs = append(errs, fmt.Errorf("%s %s in vault %q: %w", what, e.Ref, e.Vault, err))
			continue
		}
		done = append(done, e.Vault)
	}
	if o.asJSON {
		errs = append(errs, cli.JSON(command.OutOrStdout(), map[string]any{"ref": found.Ref, "held": what == "hold", "vaults": done}))
	} else if len(done) > 0 {
		in := ""
		if len(found.Places)+len(missing) > 1 {
			in = " in " + strings.Join(done, ", ")
		}
		_, err = fmt.Fprintf(command.OutOrStdout(), "%s: %s%s\n", map[string]string{"hold": "held", "release": "released"}[what], found.Ref, in)
		errs = append(errs, err)
	}
	err = errors.Join(errs...)
	if len(done) > 0 && (err != nil || len(missing) > 0) {
		if err == nil {
			return cli.Silent(cli.ExitPartial) // the warnings have said why
		}
		return cli.Partial(err)
	}
	return err
}
