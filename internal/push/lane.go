package push

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-backup/holdfast"
)

// lane is one delivery of a run and what becomes of it: it is lost, for good, or
// committed.
type lane struct {
	Delivery
	to        Destination
	name      string               // in texts: the destination's, and the vault's behind a broker
	sent      map[string]sentParts // by stream, of those that are whole
	committed bool

	mu    sync.Mutex // parts fail in goroutines of their own
	stage string
	err   error // why it was lost

	abortErr error
}

// sentParts are the parts of a stream that a vault has.
type sentParts struct {
	parts []holdfast.Part
	etags []string
}

func newLane(to Destination, d Delivery) *lane {
	d.Vault = holdfast.Printable(d.Vault)
	l := &lane{Delivery: d, to: to, name: to.Name(), sent: map[string]sentParts{}}
	if d.Vault != "" {
		l.name += "/" + d.Vault
	}
	return l
}

// lose gives the lane up because of err, unless it is lost already.
func (l *lane) lose(stage string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.stage, l.err = stage, err
	}
}

// lost returns at what stage and why the lane was given up; nil if it was not.
func (l *lane) lost() (stage string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stage, l.err
}

// live returns the lanes that are not lost.
func (r *run) live() []*lane {
	return slices.DeleteFunc(slices.Clone(r.lanes), func(l *lane) bool {
		_, err := l.lost()
		return err != nil
	})
}

// allLost returns why no lane is left; nil while one is.
func (r *run) allLost() error {
	if len(r.live()) > 0 {
		return nil
	}
	if len(r.lanes) == 0 {
		return failed(StageStart, errors.New("no destination takes the backup"))
	}
	return r.losses()
}

// laneStages are those at which a lane can be lost, in order.
var laneStages = [...]string{StageStart, StageUpload, StageCommit}

// losses returns what has happened to the lanes that are lost, as a failure of
// the last of their stages; nil if none is.
func (r *run) losses() error {
	var all lossError
	last := 0
	for _, l := range r.lanes {
		stage, err := l.lost()
		if err == nil {
			continue
		}
		if len(r.lanes) > 1 {
			err = fmt.Errorf("%s: %w", l.name, err)
		}
		all = append(all, err)
		last = max(last, slices.Index(laneStages[:], stage))
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return failed(laneStages[last], all[0])
	}
	return failed(laneStages[last], all)
}

// lossError is why several lanes were lost.
type lossError []error

func (e lossError) Error() string {
	texts := make([]string, len(e))
	for i, err := range e {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (e lossError) Unwrap() []error { return e }
