package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/open"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
)

func alertCommand(o *options) *cobra.Command {
	command := &cobra.Command{
		Use:     "alert",
		Short:   "Try how people are told",
		Long:    `Try how people are told. What is told, and to whom, stands under alerts in holdfast.yaml.`,
		Example: "  holdfast alert test",
	}
	command.AddCommand(alertTestCommand(o))
	return command
}

// sampleTimeout is how long one sample may take.
const sampleTimeout = 20 * time.Second

func alertTestCommand(o *options) *cobra.Command {
	var one bool
	command := &cobra.Command{
		Use:   "test [CHANNEL]",
		Short: "Send a sample of each kind of message, marked as such, and say what happened",
		Long: `Send a sample of each kind of message through a channel, or all of them, and say what
happened. Each is marked as a sample. An alert that opens, worsens, is reminded of
and ends is among them, so that it shows how a thread looks.

Exit codes: 0 every channel took every message, 1 one did not.`,
		Example: `  holdfast alert test
  holdfast alert test ops --first`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			c, err := o.load(command.Context())
			if err != nil {
				return err
			}
			wanted := c.Alerts.Channels
			if len(args) == 1 {
				channel, ok := wanted[args[0]]
				if !ok && len(wanted) > 0 {
					return cli.Usage(fmt.Errorf("channel %q: not in the configuration, which has %s", args[0], strings.Join(slices.Sorted(maps.Keys(wanted)), ", ")))
				}
				wanted = map[string]config.Channel{args[0]: channel}
			}
			if len(c.Alerts.Channels) == 0 {
				return cli.Usage(cli.Hint(errors.New("there are no channels"), "name one under alerts.channels in holdfast.yaml"))
			}
			channels, _ := open.Open(command.Context(), wanted, open.Options{Secrets: secrets(), HTTP: http.DefaultClient, Now: time.Now})
			messages := sample.Messages(time.Now())
			if one {
				messages = messages[:1]
			}
			var all []sampled
			for _, name := range slices.Sorted(maps.Keys(channels)) {
				all = append(all, sendSamples(command.Context(), name, channels[name], messages))
			}
			return o.printSampled(command, all)
		},
	}
	command.Flags().BoolVar(&one, "first", false, "send only the first sample")
	return command
}

// sampled is what became of the samples in one channel.
type sampled struct {
	Channel string `json:"channel"`
	Sent    int    `json:"sent"`
	Of      int    `json:"of"`
	Error   string `json:"error,omitempty"`
}

// sendSamples sends the messages, until one is not taken.
func sendSamples(ctx context.Context, name string, channel holdfast.Channel, messages []holdfast.Message) sampled {
	result, posted := sampled{Channel: name, Of: len(messages)}, map[string]string{}
	for _, m := range messages {
		if m.Thread != nil {
			thread := *m.Thread
			thread.Posted = posted[thread.ID]
			m.Thread = &thread
		}
		sending, cancel := context.WithTimeout(ctx, sampleTimeout)
		reference, err := channel.Send(sending, m)
		cancel()
		var busy *holdfast.RetryAfterError
		if errors.As(err, &busy) && busy.After <= time.Minute && wait(ctx, busy.After) == nil {
			sending, cancel := context.WithTimeout(ctx, sampleTimeout)
			reference, err = channel.Send(sending, m)
			cancel()
		}
		if err != nil {
			result.Error = err.Error()
			return result
		}
		posted[m.ID] = reference
		result.Sent++
	}
	return result
}

// printSampled says what happened, and fails if a channel did not take all.
func (o *options) printSampled(command *cobra.Command, all []sampled) error {
	failed := false
	for _, s := range all {
		failed = failed || s.Error != ""
	}
	if o.asJSON {
		if err := cli.JSON(command.OutOrStdout(), map[string]any{"channels": all}); err != nil {
			return err
		}
	}
	for _, s := range all {
		line := fmt.Sprintf("%s: %d of %d messages sent", s.Channel, s.Sent, s.Of)
		if s.Error != "" {
			line += ": " + holdfast.Printable(s.Error)
		}
		if !o.asJSON {
			if err := printLine(command, line); err != nil {
				return err
			}
		}
	}
	if failed {
		return cli.Silent(cli.ExitFailed)
	}
	return nil
}
