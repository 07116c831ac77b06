package function

import (
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holdfast-backup/holdfast/internal/awsenv"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/rounds"
)

// configurations returns what retention and the monitor run by: without the
// broker's secret, which they may not read. The monitor tells people.
func configurations(e Env, tells OpenChannels) *awsenv.Cache[*live] {
	load := loader{env: e, tells: tells}
	return awsenv.NewCache("configuration", e.Now, e.Log, load.load)
}

func (l *live) rounds(e Env) rounds.Rounds {
	return rounds.Rounds{Registry: func() *config.Registry { return l.registry }, Now: e.Now}
}

// inEach does something in all vaults at once, so that a slow one does not keep
// the time from the others, and returns what came of it in the order of their
// names. A panic is one of the caller, with the stack it came from.
func inEach[V, R any](vaults map[string]V, do func(name string, vault V) R) []R {
	names := slices.Sorted(maps.Keys(vaults))
	results := make([]R, len(names))
	var running sync.WaitGroup
	var panicked atomic.Pointer[any]
	for i, name := range names {
		running.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					with := any(fmt.Sprintf("%v\n%s", p, debug.Stack()))
					panicked.Store(&with)
				}
			}()
			results[i] = do(name, vaults[name])
		})
	}
	running.Wait()
	if p := panicked.Load(); p != nil {
		panic(*p)
	}
	return results
}
