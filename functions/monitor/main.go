// Command monitor is what judges the vaults,
// as an AWS Lambda function; by hand it handles one event.
package main

import (
	"context"
	"os"
	"time"
	_ "time/tzdata" // policies name time zones; a function's machine has none

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/open"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/function"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// version is set by the linker.
var version = "development"

func main() {
	os.Exit(function.Program{
		Name: "monitor", Version: version, New: function.Monitor(channels),
		Short: "Judge all jobs of all vaults, as the monitor in AWS does",
		Long: `Judge all jobs of all vaults, as the monitor in AWS does on its schedule: fresh,
big enough, of the usual size, whole, signed.

Exit codes: 0 all well, 1 failed or unhealthy, 2 configuration or usage.`,
		Example: `  monitor --once --config ssm:/holdfast/config`,
	}.Main())
}

func channels(ctx context.Context, channels map[string]config.Channel, secrets secret.Resolver, now func() time.Time) (map[string]holdfast.Channel, map[string]error) {
	return open.Open(ctx, channels, open.Options{Secrets: secrets, Now: now})
}
