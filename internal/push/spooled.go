package push

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/holdfast-backup/holdfast"
)

// dumpToSpool dumps the source into a file of the spool.
func (r *run) dumpToSpool(ctx context.Context, source Source) (holdfast.Stream, error) {
	f, err := r.spool.create(r.out.ID, r.job.file(source))
	if err != nil {
		return holdfast.Stream{}, failed(StageSpool, err)
	}
	defer f.Close()
	w := &spoolWriter{f: f}
	described, err := r.dump(ctx, source, w, func(error) {})
	if err != nil {
		if full := w.err.Load(); full != nil {
			err = failed(StageSpool, fmt.Errorf("write spool: %w", *full))
		}
		return holdfast.Stream{}, err
	}
	if err := r.spool.sync(r.out.ID, f); err != nil {
		return holdfast.Stream{}, failed(StageSpool, err)
	}
	return described, nil
}

// spoolWriter remembers why writing failed: it is the spool's failure, whatever
// the source makes of it.
type spoolWriter struct {
	f   *os.File
	err atomic.Pointer[error] // the compressor writes from a goroutine of its own
}

func (s *spoolWriter) Write(p []byte) (int, error) {
	n, err := s.f.Write(p)
	if err != nil {
		s.err.CompareAndSwap(nil, &err)
	}
	return n, err
}

// sendSpooled sends a spooled file to the destinations.
func (r *run) sendSpooled(ctx context.Context, s *sender, described holdfast.Stream) error {
	f := s.newFanout(ctx, described.Name, r.live())
	if err := r.copySpooled(f, described); err != nil {
		f.abandon(err)
		return cmp.Or(r.allLost(), failed(StageUpload, err))
	}
	return r.finish(f)
}

// copySpooled writes the spooled file to w and makes sure that it is what was
// written into it.
func (r *run) copySpooled(w io.Writer, sent holdfast.Stream) error {
	f, err := os.Open(r.spool.path(r.out.ID, sent.File))
	if err != nil {
		return fmt.Errorf("read spool: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	counted := &countingReader{r: io.TeeReader(f, sum)}
	tell := r.teller(sent.Name, StageUpload, func() (int64, int64) { return 0, counted.n })
	progress := &progressWriter{w: w, tell: tell, now: r.Now}
	if _, err := io.CopyBuffer(progress, counted, make([]byte, 256<<10)); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != sent.StoredSHA256 {
		return fmt.Errorf("read spool: %q: %w: it is no longer what was written", sent.File, holdfast.ErrCorrupt)
	}
	tell()
	return nil
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
