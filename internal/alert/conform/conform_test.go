package conform

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
)

const token = "token-that-nobody-may-see"

// service is a far side without a network.
type service struct {
	mu        sync.Mutex
	behaviour Behaviour
	taken     []string
}

func (s *service) Behave(b Behaviour) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behaviour = b
	return nil
}

func (s *service) Taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.taken...)
}

// errBusy is how the service says to come back.
var errBusy = errors.New("come back in 30 s")

// call is what a client of the service does.
func (s *service) call(ctx context.Context, text string) error {
	s.mu.Lock()
	behaviour := s.behaviour
	if behaviour == Takes && ctx.Err() == nil {
		s.taken = append(s.taken, text)
	}
	s.mu.Unlock()
	switch behaviour {
	case Hangs:
		<-ctx.Done()
	case Refuses:
		return errors.New("not for you,\nwho calls himself " + token)
	case Fails:
		return errors.New("out of order")
	case Garbage:
		return errors.New("\x00\x01\x02")
	case Busy:
		return errBusy
	}
	return ctx.Err()
}

// send is a Send that keeps every promise.
func (s *service) send(ctx context.Context, m holdfast.Message) (string, error) {
	err := s.call(ctx, plain.Subject(m)+"\n"+plain.Text(m, time.UTC))
	switch {
	case errors.Is(err, errBusy):
		return "", &holdfast.RetryAfterError{After: 30 * time.Second, Err: errors.New("tell the service: it is busy")}
	case err != nil:
		return "", fmt.Errorf("tell the service: %s", strings.ReplaceAll(holdfast.Printable(err.Error()), token, "[hidden]"))
	}
	return "posted", nil
}

// channel is a Send.
type channel func(ctx context.Context, m holdfast.Message) (string, error)

func (c channel) Send(ctx context.Context, m holdfast.Message) (string, error) { return c(ctx, m) }

func newEnv(s *service, send channel) *Env {
	return &Env{
		Channel: send, Far: s, Secrets: []string{token},
		Now:      time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC),
		Deadline: 50 * time.Millisecond, Late: 500 * time.Millisecond, Patience: 5 * time.Second,
	}
}

func TestAChannelThatKeepsEveryPromise(t *testing.T) {
	s := &service{}
	results := Run(t.Context(), newEnv(s, s.send))
	if len(results) != len(Checks()) || len(results) == 0 {
		t.Fatalf("got %d results of %d checks", len(results), len(Checks()))
	}
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("%s: %v", r.Name, r.Err)
		}
	}
}

// broken is a channel that breaks one promise, and the checks that have to see it.
var broken = map[string]struct {
	checks []string
	send   func(s *service) channel
}{
	"succeeds whatever happens": {[]string{"hang", "hang-together", "cancel", "refuse", "fail", "garbage", "busy"}, func(s *service) channel {
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			_, _ = s.send(ctx, m)
			return "", nil
		}
	}},
	"succeeds without sending": {[]string{"deliver", "every-message", "posted", "repeat", "concurrent"}, func(s *service) channel {
		return func(context.Context, holdfast.Message) (string, error) { return "", nil }
	}},
	"tells something else": {[]string{"deliver", "concurrent"}, func(s *service) channel {
		return func(ctx context.Context, m holdfast.Message) (string, error) { return "", s.call(ctx, "something") }
	}},
	"sends twice": {[]string{"deliver", "concurrent"}, func(s *service) channel {
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			_, _ = s.send(ctx, m)
			return s.send(ctx, m)
		}
	}},
	"sends each message once in its life": {[]string{"repeat"}, func(s *service) channel {
		seen := map[string]bool{}
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			if seen[m.ID] {
				return "", errors.New("seen")
			}
			seen[m.ID] = true
			return s.send(ctx, m)
		}
	}},
	"refuses what is hostile": {[]string{"every-message"}, func(s *service) channel {
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			if strings.Contains(m.ID, "hostile") {
				return "", errors.New("I do not say that")
			}
			return s.send(ctx, m)
		}
	}},
	"can't go on in a thread": {[]string{"posted"}, func(s *service) channel {
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			if m.Thread != nil && m.Thread.Posted != "" {
				return "", errors.New("what is that?")
			}
			return s.send(ctx, m)
		}
	}},
	"returns too much": {[]string{"posted"}, func(s *service) channel {
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			_, err := s.send(ctx, m)
			return strings.Repeat("x", 257), err
		}
	}},
	"knows no deadline": {[]string{"hang", "hang-together", "cancel"}, func(s *service) channel {
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			defer stop()
			return s.send(ctx, m)
		}
	}},
	"sends one at a time": {[]string{"hang-together"}, func(s *service) channel {
		var mu sync.Mutex
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 100*time.Millisecond)
			defer stop()
			return s.send(ctx, m)
		}
	}},
	"sends after its context has ended": {[]string{"cancel"}, func(s *service) channel {
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			if ctx.Err() != nil {
				_, _ = s.send(context.WithoutCancel(ctx), m)
			}
			return s.send(ctx, m)
		}
	}},
	"passes on what the service says": {[]string{"refuse"}, func(s *service) channel {
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			return "posted", s.call(ctx, plain.Subject(m)+plain.Text(m, time.UTC))
		}
	}},
	"wraps an error that says more": {[]string{"refuse"}, func(s *service) channel {
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			name, err := s.send(ctx, m)
			if err != nil {
				err = &holdfast.RetryAfterError{After: 30 * time.Second, Err: hiding{errors.New(token)}}
			}
			return name, err
		}
	}},
	"says nothing of when to come back": {[]string{"busy"}, func(s *service) channel {
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			name, err := s.send(ctx, m)
			if err != nil {
				err = errors.New(err.Error())
			}
			return name, err
		}
	}},
	"waits until it may come back": {[]string{"busy"}, func(s *service) channel {
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			name, err := s.send(ctx, m)
			if _, ok := errors.AsType[*holdfast.RetryAfterError](err); ok {
				time.Sleep(2 * time.Second)
			}
			return name, err
		}
	}},
	"never works again after an error": {[]string{"refuse", "fail", "garbage", "hang", "busy"}, func(s *service) channel {
		var failed error
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			if failed != nil {
				return "", failed
			}
			name, err := s.send(ctx, m)
			failed = err
			return name, err
		}
	}},
	"sends before it fails": {[]string{"refuse", "fail", "garbage"}, func(s *service) channel {
		return func(ctx context.Context, m holdfast.Message) (string, error) {
			name, err := s.send(ctx, m)
			if err != nil && ctx.Err() == nil {
				s.mu.Lock()
				s.taken = append(s.taken, plain.Subject(m))
				s.mu.Unlock()
			}
			return name, err
		}
	}},
}

// hiding is an error that says little and holds more.
type hiding struct{ inner error }

func (hiding) Error() string   { return "tell the service: refused" }
func (h hiding) Unwrap() error { return h.inner }

func TestABrokenChannelIsCaught(t *testing.T) {
	caught := map[string]bool{}
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			for _, c := range Checks() {
				for _, want := range b.checks {
					if c.Name != want {
						continue
					}
					caught[c.Name] = true
					s := &service{}
					if err := c.Run(t.Context(), newEnv(s, b.send(s))); err == nil {
						t.Errorf("the check %s passes", c.Name)
					} else {
						t.Logf("%s: %v", c.Name, err)
					}
				}
			}
		})
	}
	for _, c := range Checks() {
		if !caught[c.Name] {
			t.Errorf("no broken channel tries the check %s", c.Name)
		}
	}
}

func TestAFarSideThatCannotBehaveSoIsNoFailure(t *testing.T) {
	s := &service{}
	env := newEnv(s, s.send)
	env.Far = limited{s}
	skipped := 0
	for _, r := range Run(t.Context(), env) {
		if r.Skipped() {
			skipped++
		} else if r.Err != nil {
			t.Errorf("%s: %v", r.Name, r.Err)
		}
	}
	if skipped != 1 {
		t.Errorf("got %d checks that could not be run, want 1", skipped)
	}
}

// limited is a service that is never busy.
type limited struct{ *service }

func (l limited) Behave(b Behaviour) error {
	if b == Busy {
		return fmt.Errorf("be busy: %w", ErrNotRunnable)
	}
	return l.service.Behave(b)
}
