// Command broker is the push half of the broker: what hosts call,
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
		Name: "broker", Version: version, New: function.Push, Event: true,
		Short: "Answer one call of a host, as the broker in AWS does",
		Long: `Answer one call of a host, as the broker in AWS does: an event of an HTTP API,
payload 2.0, from standard input. The answer is printed.

Exit codes: 0 all well, 1 failed or unhealthy, 2 configuration or usage.`,
		Example: `  echo '{"rawPath":"/healthz"}' | broker --once --config holdfast.yaml`,
	}.Main())
}
