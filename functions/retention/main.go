// Command retention is what thins the vaults out,
// as an AWS Lambda function; by hand it handles one event.
package main

import (
	"os"
	_ "time/tzdata" // policies name time zones; a function's machine has none

	"github.com/holdfast-backup/holdfast/internal/function"
)

// version is set by the linker.
var version = "development"

func main() {
	os.Exit(function.Program{
		Name: "retention", Version: version, New: function.Retention,
		Short: "Thin all vaults out, as the retention function in AWS does",
		Long: `Thin all vaults out, as the retention function in AWS does on its schedule: delete
the backups that the policies give up, sweep what interrupted uploads left
behind. For a look beforehand there is holdfast clean --dry-run.

Exit codes: 0 all well, 1 failed or unhealthy, 2 configuration or usage.`,
		Example: `  retention --once --config holdfast.yaml`,
	}.Main())
}
