package function

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/awsenv"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
)

// Program is one function as a program: in Lambda it handles events until it is
// ended, elsewhere one.
type Program struct {
	Name, Version        string
	Short, Long, Example string
	// Event says that by hand it takes an event from standard input; without
	// it, it is a schedule's.
	Event bool
	New   func(Env) Handler
}

// Main runs the program and returns its exit code.
func (p Program) Main() int {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		return cli.Main(p.command())
	}
	log := newInvocationLog(os.Stderr)
	e, err := p.env(slog.New(log), os.Stdout)
	if err != nil {
		e.Log.Error("start", "err", err)
		return cli.ExitUsage
	}
	handle := p.New(e)
	// It ends the process itself.
	lambda.Start(func(ctx context.Context, event json.RawMessage) (any, error) {
		log.begin(ctx)
		return handle(ctx, event)
	})
	return cli.ExitFailed
}

// now is the time without the monotonic clock, which stands still while AWS has a
// function frozen: calls that are hours apart would count as one burst, and an
// answer of hours ago as fresh.
func now() time.Time { return time.Now().Round(0) }

// env returns what AWS's environment says.
func (p Program) env(log *slog.Logger, stdout io.Writer) (Env, error) {
	e := Env{
		Config: os.Getenv("HOLDFAST_CONFIG"), Deployment: os.Getenv("HOLDFAST_DEPLOYMENT"),
		Version: p.Version, Now: now, Log: log, Metrics: stdout, AWS: awsenv.New(now, log),
	}
	for _, name := range []string{"HOLDFAST_CONFIG", "HOLDFAST_DEPLOYMENT"} {
		if os.Getenv(name) == "" {
			return e, fmt.Errorf("environment: %s is not set", name)
		}
	}
	return e, nil
}

// command returns the program as it is run by hand.
func (p Program) command() *cobra.Command {
	var once bool
	var document string
	command := &cobra.Command{
		Use: p.Name, Short: p.Short, Long: p.Long, Example: p.Example, Version: p.Version,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			document = cmp.Or(document, os.Getenv("HOLDFAST_CONFIG"))
			if !once {
				return cli.Usage(cli.Hint(errors.New("this is not AWS Lambda, which starts it for its events"), "run it by hand with --once"))
			}
			if document == "" {
				return cli.Usage(cli.Hint(errors.New("no configuration is named"), "name it with --config: holdfast.yaml, ssm:/name or s3://bucket/key"))
			}
			log := cli.Logger(command.ErrOrStderr(), slog.LevelInfo)
			return p.once(command, Env{
				Config: document, Deployment: p.Name, Version: p.Version,
				Now: time.Now, Log: log, Metrics: io.Discard, AWS: awsenv.New(time.Now, log),
			})
		},
	}
	command.Flags().BoolVar(&once, "once", false, "handle one event and exit")
	command.Flags().StringVarP(&document, "config", "c", "", "holdfast.yaml, ssm:/name or s3://bucket/key (default: $HOLDFAST_CONFIG)")
	return command
}

// once handles one event and prints what is answered.
func (p Program) once(command *cobra.Command, e Env) error {
	event := []byte("{}")
	if p.Event {
		var err error
		if event, err = io.ReadAll(command.InOrStdin()); err != nil {
			return fmt.Errorf("read event: %w", err)
		}
		if !json.Valid(event) {
			return cli.Usage(cli.Hint(errors.New("read event: standard input is not JSON"), "give it an event: %s --once < event.json", p.Name))
		}
	}
	answer, err := p.New(e)(command.Context(), event)
	switch {
	case errors.As(err, new(config.Problems)), errors.Is(err, fs.ErrNotExist), errors.Is(err, holdfast.ErrNotExist):
		return cli.Usage(err)
	case err != nil || answer == nil:
		return err
	}
	if err := cli.JSON(command.OutOrStdout(), answer); err != nil {
		return err
	}
	if a, ok := answer.(events.APIGatewayV2HTTPResponse); ok && a.StatusCode >= http.StatusInternalServerError {
		return cli.Silent(cli.ExitFailed) // the answer says it
	}
	return nil
}
