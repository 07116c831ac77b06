package broker

import (
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
}

var (
	// A host runs several jobs at once, each with a few parts on their way.
	usual = limits{body: api.MaxBody, time: shortCall, class: "call", atOnce: 16}
	// A listing of a large vault takes as long as a commit.
	listing = limits{body: api.MaxBody, time: longCall, class: "call", atOnce: 16}
	// A commit takes by far the most memory.
	committing = limits{body: api.MaxCommitBody, time: longCall, class: "commit", atOnce: 1}
)

// atOnceDecoded is how many commits are decoded and checked at the same time,
// whoever made them.
const atOnceDecoded = 2

// gate counts the calls that each principal has under way.
type gate struct {
	mu     sync.Mutex
	inside map[string]int // by principal and class
}

// enter admits a call of the principal, or refuses it for now. The caller calls
// leave when the call has been answered.
func (g *gate) enter(principal string, l limits) (leave func(), err error) {
	name := principal + " " + l.class
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside[name] >= l.atOnce {
		return nil, tooManyAtOnce()
	}
	if g.inside == nil {
		g.inside = map[string]int{}
	}
	g.inside[name]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.inside[name]--; g.inside[name] == 0 {
			delete(g.inside, name)
		}
	}, nil
}

func tooManyAtOnce() *refusal {
	r := refuseWith(http.StatusTooManyRequests, "too many calls at once", "", "try again in a moment, with fewer at a time")
	r.after = time.Second
	return r
}
