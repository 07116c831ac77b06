package push

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/stream"
)

// dumpToLanes dumps the source straight to the destinations.
func (r *run) dumpToLanes(ctx context.Context, s *sender, source Source) (holdfast.Stream, error) {
	f := s.newFanout(ctx, source.Stream, r.live())
	// The source runs under the fanout's context: when no destination is left it
	// stops at once, and not at its next row.
	described, err := r.dump(f.ctx, source, f, f.stop)
	if err != nil {
		f.abandon(err)
		return holdfast.Stream{}, cmp.Or(r.allLost(), err)
	}
	return described, r.finish(f)
}

// finish waits until the destinations that are left have the stream.
func (r *run) finish(f *fanout) error {
	if err := f.finish(); err != nil {
		return cmp.Or(r.allLost(), failed(StageUpload, err))
	}
	return nil
}

// dump writes the stored form of the source to w and describes it. Nil means
// that the source has proven its stream whole and that w has all of it. On an
// error it calls stop, after which writing to w must not block.
func (r *run) dump(ctx context.Context, source Source, w io.Writer, stop func(error)) (holdfast.Stream, error) {
	fail := func(stage string, err error) (holdfast.Stream, error) {
		stop(err)
		return holdfast.Stream{}, failed(stage, fmt.Errorf("source %q: %w", source.Stream, err))
	}
	enc, err := stream.NewEncoder(w, r.job.Options)
	if err != nil {
		return fail(StageSetup, err)
	}
	progress := &progressWriter{w: enc, tell: r.teller(source.Stream, StageDump, enc.Progress), now: r.Now}
	facts, err := guarded(ctx, source, progress)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		result, err := fail(StageDump, err)
		enc.Close() // only to end its workers
		return result, err
	}
	if err := enc.Close(); err != nil {
		return fail(StageDump, err)
	}
	sums := enc.Sums()
	if sums.PlainSize == 0 {
		return fail(StageDump, errors.New("yielded nothing"))
	}
	progress.tell()
	return holdfast.Stream{
		Name: source.Stream, File: r.job.file(source), PlainFile: source.File(), Source: facts.Printable(),
		PlainSize: sums.PlainSize, PlainSHA256: sums.PlainSHA256,
		StoredSize: sums.StoredSize, StoredSHA256: sums.StoredSHA256,
		Compression: r.job.Options.Compression, Encryption: r.job.Options.Recipients.Encryption(),
	}, nil
}

// guarded is source.Dump, with a panic turned into an error: the run still has
// to abort, to report and to run its post hooks.
func guarded(ctx context.Context, source Source, w io.Writer) (facts holdfast.Facts, err error) {
	returned := false
	defer func() {
		if p := recover(); p != nil || !returned {
			err = &panicError{fmt.Sprint(p), string(debug.Stack())}
		}
	}()
	facts, err = source.Dump(ctx, w)
	returned = true
	return facts, err
}

type panicError struct{ value, stack string }

func (e *panicError) Error() string { return "panic: " + e.value }

// Tail returns the stack, which is to a panic what stderr is to a program.
func (e *panicError) Tail() string { return tail(e.stack, holdfast.MaxReportTail) }

// progressInterval is how often progress is told.
const progressInterval = 500 * time.Millisecond

type progressWriter struct {
	w    io.Writer
	tell func()
	now  func() time.Time
	last time.Time
}

func (p *progressWriter) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	if now := p.now(); now.Sub(p.last) >= progressInterval {
		p.last = now
		p.tell()
	}
	return n, err
}

// teller returns a function that tells how far the stream has come.
func (r *run) teller(name, stage string, count func() (plain, stored int64)) func() {
	return func() {
		plain, stored := count()
		r.Progress(Progress{stage, name, plain, stored, r.Now().Sub(r.out.Started)})
	}
}
