package broker

import (
	"sync"
	"time"
)

// How many backups may be begun within a minute: what max_per_day does not
// bound, because a backup that was aborted leaves nothing to count. It is each
// process's own count.
const (
	maxStartsPerJob  = 20
	maxStartsPerHost = 60
	paceInterval     = time.Minute
	paceForget       = 1000 // names remembered before old ones are dropped
)

// pace remembers when something was done lately, by name.
type pace struct {
	mu   sync.Mutex
	done map[string][]time.Time
}

// wait returns how long it will be until the name may do it again, 0 if it may
// now, most times within paceInterval.
func (p *pace) wait(name string, most int, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	done := lately(p.done[name], now)
	if len(done) < most {
		return 0
	}
	return paceInterval - now.Sub(done[len(done)-most])
}

// note remembers that each of the names did it now.
func (p *pace) note(now time.Time, names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		p.done = map[string][]time.Time{}
	}
	if len(p.done) > paceForget {
		for name, done := range p.done {
			if len(lately(done, now)) == 0 {
				delete(p.done, name)
			}
		}
	}
	for _, name := range names {
		p.done[name] = append(lately(p.done[name], now), now)
	}
}

// lately returns those of the times that lie within the last paceInterval. A
// clock that was set back makes earlier ones future: they count for nothing.
func lately(times []time.Time, now time.Time) []time.Time {
	var late []time.Time
	for _, t := range times {
		if age := now.Sub(t); age >= 0 && age < paceInterval {
			late = append(late, t)
		}
	}
	return late
}
