package function

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/holdfast-backup/holdfast/internal/monitor"
)

// invocationLog writes JSON as CloudWatch knows it, with the id of the request
// in each line, also where a line is written without its context: Lambda gives a
// process one event at a time.
type invocationLog struct {
	slog.Handler
	request *atomic.Pointer[string]
}

func newInvocationLog(w io.Writer) invocationLog {
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: lambdacontext.ReplaceAttr})
	return invocationLog{handler, &atomic.Pointer[string]{}}
}

// begin has all lines from now on bear the id of the request in ctx.
func (h invocationLog) begin(ctx context.Context) {
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		h.request.Store(&invocation.AwsRequestID)
	}
}

// Handle implements slog.Handler.
func (h invocationLog) Handle(ctx context.Context, r slog.Record) error {
	if id := h.request.Load(); id != nil {
		r.AddAttrs(slog.String("requestId", *id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h invocationLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return invocationLog{h.Handler.WithAttrs(attrs), h.request}
}

// WithGroup implements slog.Handler.
func (h invocationLog) WithGroup(name string) slog.Handler {
	return invocationLog{h.Handler.WithGroup(name), h.request}
}

// logResult writes a line for each job that was judged, for each finding, and
// for each that is one no more.
func logResult(log *slog.Logger, r monitor.Result) {
	for _, j := range r.Jobs {
		attrs := []any{"vault", r.Vault, "host", j.Host, "job", j.Job, "status", j.Status, "backups", j.Count, "size", j.Total}
		if j.Newest != nil {
			attrs = append(attrs, "newest", j.Newest.ID, "age", j.Newest.AgeSeconds)
		}
		log.Info("judged", attrs...)
	}
	change := map[[3]string]monitor.Change{}
	for _, t := range r.Transitions {
		f := t.Finding
		change[[3]string{f.Host, f.Job, f.Check}] = t.Change
		if t.Change == monitor.Resolved {
			log.Info("monitor: resolved: "+f.Summary, "vault", r.Vault, "host", f.Host, "job", f.Job, "check", f.Check)
		}
	}
	for _, f := range r.Findings {
		log.Warn("monitor: "+f.Summary, "vault", r.Vault, "host", f.Host, "job", f.Job, "check", f.Check,
			"severity", f.Severity, "since", f.Since, "change", change[[3]string{f.Host, f.Job, f.Check}])
	}
}
