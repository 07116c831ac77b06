package awsenv

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// source is what a Cache is of, under a clock that stands still.
type source struct {
	now     time.Time
	value   string
	err     error
	fetches int
	log     bytes.Buffer
	cache   *Cache[string]
}

func newSource() *source {
	s := &source{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), value: "one"}
	s.cache = NewCache("thing", func() time.Time { return s.now }, slog.New(slog.NewTextHandler(&s.log, nil)),
		func(context.Context) (string, error) {
			s.fetches++
			return s.value, s.err
		})
	return s
}

func (s *source) want(t *testing.T, value string, fetches int) {
	t.Helper()
	got, err := s.cache.Get(t.Context())
	if err != nil || got != value || s.fetches != fetches {
		t.Fatalf("got %q, %v after %d fetches, want %q after %d", got, err, s.fetches, value, fetches)
	}
}

func TestAValueIsFetchedAgainOnceItIsAMinuteOld(t *testing.T) {
	s := newSource()
	s.want(t, "one", 1)
	s.value = "two"
	s.now = s.now.Add(TTL - time.Second)
	s.want(t, "one", 1)
	s.now = s.now.Add(time.Second)
	s.want(t, "two", 2)
	s.want(t, "two", 2)
	s.value = "three"
	s.now = s.now.Add(-time.Hour) // set back: how old the value is cannot be told
	s.want(t, "three", 3)
}

func TestTheLastValueServesOnForFiveMinutesAndNoLonger(t *testing.T) {
	s := newSource()
	s.want(t, "one", 1)
	start := s.now
	s.err = errors.New("broken")
	for _, step := range []struct {
		after           time.Duration
		fetches, logged int
	}{
		{TTL, 2, 1},
		{TTL + 5*time.Second, 2, 1}, // not asked again so soon
		{TTL + 10*time.Second, 3, 2},
		{MaxAge - time.Second, 4, 3},
	} {
		s.now = start.Add(step.after)
		s.want(t, "one", step.fetches)
		if got := strings.Count(s.log.String(), "err=broken"); got != step.logged {
			t.Fatalf("after %s: logged %d times, want %d:\n%s", step.after, got, step.logged, &s.log)
		}
	}
	s.now = start.Add(MaxAge)
	if got, err := s.cache.Get(t.Context()); !errors.Is(err, s.err) || got != "" {
		t.Fatalf("after %s: got %q, %v, want the error", MaxAge, got, err)
	}
	s.value, s.err = "two", nil
	s.want(t, "two", 6)
}

func TestWithoutAValueEveryCallTries(t *testing.T) {
	s := newSource()
	s.err = errors.New("broken")
	for range 2 {
		if _, err := s.cache.Get(t.Context()); !errors.Is(err, s.err) {
			t.Fatalf("got %v, want the error", err)
		}
	}
	s.err = nil
	s.want(t, "one", 3)
}

func TestACallerWhoGaveUpIsNoFailureOfTheSource(t *testing.T) {
	s := newSource()
	s.want(t, "one", 1)
	s.now = s.now.Add(TTL)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.err = context.Canceled
	if _, err := s.cache.Get(ctx); err == nil {
		t.Fatal("got a value")
	}
	if s.log.Len() > 0 {
		t.Errorf("logged:\n%s", &s.log)
	}
}

// A function that is frozen between calls has a monotonic clock that stands
// still; a value that is told to be fresh by it would be used for hours.
func TestTheAgeIsByTheWallClock(t *testing.T) {
	if text := wall(time.Now()).String(); strings.Contains(text, " m=") {
		t.Errorf("%s has a monotonic clock", text)
	}
	s := newSource()
	s.now = time.Now()
	s.want(t, "one", 1)
	if text := s.cache.fetched.String(); strings.Contains(text, " m=") {
		t.Errorf("%s has a monotonic clock", text)
	}
}
