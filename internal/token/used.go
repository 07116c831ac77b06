package token

import (
	"sync"
	"time"
)

// maxUsed bounds what is remembered to a few megabytes. Whoever floods it has a
// key, and gains that tokens can be replayed for the rest of their two minutes,
// which repeats a call that is harmless when repeated.
const maxUsed = 1 << 15

// used remembers which tokens were used, for at least as long as they could be
// accepted, in two generations of at most limit each.
type used struct {
	mu       sync.Mutex
	limit    int
	turned   time.Time
	now, old map[string]struct{}
}

func newUsed(limit int) *used { return &used{limit: limit, now: map[string]struct{}{}} }

// first records jti and reports whether it was not there.
func (u *used) first(jti string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.now) >= u.limit || now.Sub(u.turned) > MaxLifetime+MaxAhead {
		u.now, u.old, u.turned = map[string]struct{}{}, u.now, now
	}
	_, present := u.now[jti]
	_, past := u.old[jti]
	u.now[jti] = struct{}{}
	return !present && !past
}
