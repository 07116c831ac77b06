// Package function is what the Lambda functions do with their events: the push
// and the restore half of the broker behind an HTTP API, retention on a
// schedule, the monitor on a schedule and when something has arrived. It wires
// the packages that `holdfast serve` is made of and decides nothing itself.
//
// Everything that can change while a function is warm is asked for at each
// call: the configuration, as old as an awsenv.Cache lets it be, and the time.
// What an event has found wrong is the error of its invocation, so that AWS
// counts it.
package function

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/holdfast-backup/holdfast/internal/awsenv"
)

// Handler handles one event and returns what to answer, as JSON. It is safe for
// concurrent use. A panic is the invocation's.
type Handler func(ctx context.Context, event []byte) (any, error)

// Env is what a function runs in.
type Env struct {
	Config     string // where the document is, as awsenv.Env.Document has it
	Deployment string // its name, for metrics
	Version    string
	Now        func() time.Time
	Log        *slog.Logger
	Metrics    io.Writer // takes lines of the embedded metric format
	AWS        *awsenv.Env
}

// metrics returns what writes metrics, and the metrics of one function.
func (e Env) metrics(name string) metrics {
	return metrics{awsenv.NewMetrics(e.Metrics, e.Deployment, e.Now), name, e.Log}
}

// metrics are those of one function. One that cannot be written is logged: it
// is missed by its alarm, and must not undo what was done.
type metrics struct {
	out      *awsenv.Metrics
	function string
	log      *slog.Logger
}

func (m metrics) ofFunction(all ...awsenv.Metric) { m.put("Function", m.function, all) }

func (m metrics) ofVault(name string, all ...awsenv.Metric) { m.put("Vault", name, all) }

func (m metrics) put(dimension, value string, all []awsenv.Metric) {
	if err := m.out.Put(dimension, value, all...); err != nil {
		m.log.Error("metrics", "err", err)
	}
}

func count(name string, n int) awsenv.Metric {
	return awsenv.Metric{Name: name, Unit: awsenv.Count, Value: int64(n)}
}

func flag(name string, is bool) awsenv.Metric {
	if is {
		return count(name, 1)
	}
	return count(name, 0)
}

// beforeDeadline returns ctx with a deadline that leaves margin, or a quarter of
// what time there is, before that of ctx: for what comes after the work.
func beforeDeadline(ctx context.Context, margin time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(margin, time.Until(deadline)/4)))
}
