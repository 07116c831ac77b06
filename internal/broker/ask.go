package broker

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// leaveTime is how long after its context has ended a call may take to clean up
// after itself before nobody waits for it any more.
const leaveTime = 5 * time.Second

// silence counts the calls of each vault that nobody waits for any more.
type silence struct {
	mu   sync.Mutex
	left map[string]int
}

// of reports whether such a call of the vault has not come back.
func (s *silence) of(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left[name] > 0
}

func (s *silence) add(name string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == nil {
		s.left = map[string]int{}
	}
	s.left[name] += n
}

// ask asks a vault, and stops waiting for it soon after ctx has ended: a directory
// on a mount that hangs heeds no context. What is left behind then hands its answer
// to nobody, so do must write to nothing that others read. Until it comes back the
// vault is not asked again, or more would be left behind with every call.
func ask[T any](ctx context.Context, b *Broker, request, name string, do func(ctx context.Context) (T, error)) (T, error) {
	var none T
	if b.silence.of(name) {
		return none, silent()
	}
	type answer struct {
		value   T
		err     error
		aborted bool
	}
	came := make(chan answer, 1)
	go func() {
		a := answer{aborted: true}
		defer func() { // guarded lets one panic through, which would end the process here
			_ = recover()
			came <- a
		}()
		var value T
		err := b.guarded(func() (err error) { value, err = do(ctx); return err }, request)
		a = answer{value: value, err: err}
	}()
	var a answer
	select {
	case a = <-came:
	case <-ctx.Done():
		patience := time.NewTimer(leaveTime)
		defer patience.Stop()
		select {
		case a = <-came:
		case <-patience.C:
			b.silence.add(name, 1)
			b.log.Error("vault does not come back", "vault", name, "request", request)
			go func() {
				<-came
				b.silence.add(name, -1)
				b.log.Info("vault has come back", "vault", name, "request", request)
			}()
			return none, ctx.Err()
		}
	}
	if a.aborted {
		panic(http.ErrAbortHandler)
	}
	return a.value, a.err
}

// silent refuses what would need a vault from which an earlier call has not come back.
func silent() *refusal {
	return refuseWith(http.StatusServiceUnavailable, "the vault does not answer", "", "try again; an earlier call has not come back from it yet: look after its disk, or its network")
}
