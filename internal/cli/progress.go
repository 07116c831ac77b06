package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Progress draws one line that says how far a transfer is: bytes, rate, elapsed
// time, and the share where the total is known. It draws a few times a second
// at most and only on a terminal; elsewhere it is silent. Safe for concurrent use.
type Progress struct {
	w   io.Writer
	now func() time.Time

	mu    sync.Mutex
	label string
	start time.Time
	drawn time.Time
	shown bool
}

const drawEvery = 200 * time.Millisecond

// NewProgress returns a Progress on w; it never draws if w is no terminal or quiet is true.
func NewProgress(w io.Writer, quiet bool, now func() time.Time) *Progress {
	if quiet || !IsTerminal(w) {
		w = nil
	}
	return &Progress{w: w, now: now}
}

// Set says that done bytes of what label names have been moved, of total where
// that is known, else 0.
func (p *Progress) Set(label string, done, total int64) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if label != p.label {
		p.label, p.start, p.drawn = label, now, time.Time{}
	}
	if now.Sub(p.drawn) < drawEvery {
		return
	}
	p.drawn, p.shown = now, true
	fmt.Fprint(p.w, "\r\x1b[K", progressLine(label, done, total, now.Sub(p.start)))
}

// Say prints a line above that of the progress. Only where progress is drawn.
func (p *Progress) Say(line string) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprint(p.w, "\r\x1b[K", line, "\n")
	p.drawn, p.shown = time.Time{}, false
}

// Done removes the line.
func (p *Progress) Done() {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown, p.label = false, ""
	}
}

func progressLine(label string, done, total int64, took time.Duration) string {
	line := fmt.Sprintf("%s  %s", label, holdfast.Size(done))
	if total > 0 {
		line += fmt.Sprintf(" of %s (%d%%)", holdfast.Size(total), done*100/total)
	}
	if seconds := took.Seconds(); seconds >= 0.5 {
		line += fmt.Sprintf("  %s/s", holdfast.Size(float64(done)/seconds))
	}
	return line + "  " + took.Truncate(time.Second).String()
}
