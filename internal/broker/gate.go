package broker

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast/internal/api"
)

// limits are what a kind of call may take.
type limits struct {
	body int64         // bytes
	time time.Duration // once the body is there
	// class says which calls count together, and atOnce how many of them one
	// principal may have under way. Each holds its body in memory.
	class  string
	atOnce int
	// queue is how many more may wait for their turn, for up to queueTime,
	// before their bodies are read.
	queue int
}

// queueTime is how long a call may wait for others of the same principal.
const queueTime = 5 * time.Second

var (
	// A host runs several jobs at once, each with a few parts on their way.
	usual = limits{body: api.MaxBody, time: shortCall, class: "call", atOnce: 16}
	// A listing of a large vault takes as long as a commit.
	listing = limits{body: api.MaxBody, time: longCall, class: "call", atOnce: 16}
	// A commit takes by far the most memory until its body is decoded: those of one
	// backup to several vaults come at the same moment, and take turns at that.
	committing = limits{body: api.MaxCommitBody, time: longCall, class: "commit", atOnce: 1, queue: 8}
	// What takes time comes after it, and must not hold up those to other vaults.
	completing = limits{class: "complete", atOnce: 4}
)

// atOnceDecoded is how many commits are decoded and checked at the same time,
// whoever made them.
const atOnceDecoded = 2

// gate counts the calls that each principal has under way.
type gate struct {
	mu    sync.Mutex
	doors map[string]*door // by principal and class; those that somebody is at
}

type door struct {
	inside, waiting int
	left            chan struct{} // closed when a call leaves
}

// enter admits a call of the principal, after a while perhaps, or refuses it for
// now. The caller calls leave when the call has been answered.
func (g *gate) enter(ctx context.Context, principal string, l limits) (leave func(), err error) {
	name := principal + " " + l.class
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.doors[name]
	if d == nil {
		if g.doors == nil {
			g.doors = map[string]*door{}
		}
		d = &door{left: make(chan struct{})}
		g.doors[name] = d
	}
	if d.inside >= l.atOnce && !g.wait(ctx, d, l) {
		g.forget(name, d)
		return nil, tooManyAtOnce()
	}
	d.inside++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		d.inside--
		close(d.left)
		d.left = make(chan struct{})
		g.forget(name, d)
	}, nil
}

// wait waits for room inside, and reports whether there is. It is called with the
// lock, which it lets go of meanwhile.
func (g *gate) wait(ctx context.Context, d *door, l limits) bool {
	if d.waiting >= l.queue {
		return false
	}
	d.waiting++
	defer func() { d.waiting-- }()
	patience := time.NewTimer(queueTime)
	defer patience.Stop()
	for patient := true; d.inside >= l.atOnce; {
		if !patient || ctx.Err() != nil {
			return false
		}
		left := d.left
		g.mu.Unlock()
		select {
		case <-left:
		case <-patience.C:
			patient = false
		case <-ctx.Done():
		}
		g.mu.Lock()
	}
	return true
}

// forget forgets a door that nobody is at.
func (g *gate) forget(name string, d *door) {
	if d.inside == 0 && d.waiting == 0 && g.doors[name] == d {
		delete(g.doors, name)
	}
}

// place is where a call that was let in counts now.
type place struct {
	gate      *gate
	principal string
	leave     func()
}

// move has the call count as one of another class from now on.
func (p *place) move(ctx context.Context, l limits) error {
	leave, err := p.gate.enter(ctx, p.principal, l)
	if err != nil {
		return err
	}
	p.leave()
	p.leave = leave
	return nil
}

func tooManyAtOnce() *refusal {
	r := refuseWith(http.StatusTooManyRequests, "too many calls at once", "", "try again in a moment, with fewer at a time")
	r.after = time.Second
	return r
}
