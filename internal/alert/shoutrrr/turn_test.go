package shoutrrr_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
	"github.com/holdfast-backup/holdfast/internal/alert/shoutrrr"
)

// slow is a far side that takes messages, and answers each when it may.
type slow struct {
	*httptest.Server
	took   chan string // bodies
	answer chan int    // a status for each
}

func newSlow(t *testing.T) *slow {
	s := &slow{took: make(chan string, 100), answer: make(chan int, 100)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.took <- string(body)
		select {
		case status := <-s.answer:
			w.WriteHeader(status)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() {
		s.CloseClientConnections() // of what is abandoned
		s.Close()
	})
	return s
}

func (s *slow) channel(t *testing.T) *shoutrrr.Channel {
	return open(t, "generic://"+strings.TrimPrefix(s.URL, "http://")+"/x?disabletls=yes")
}

// send sends m with time enough, and not for ever.
func send(t *testing.T, c *shoutrrr.Channel, m holdfast.Message) (string, error) {
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	return c.Send(ctx, m)
}

// abandon sends m and goes away once the far side has it.
func (s *slow) abandon(t *testing.T, c *shoutrrr.Channel, m holdfast.Message) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-s.took:
			stop()
		case <-ctx.Done():
		}
	}()
	_, err := c.Send(ctx, m)
	stop()
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	<-gone
}

func TestWhileAnAbandonedSendGoesOnNothingElseIsSent(t *testing.T) {
	s, messages := newSlow(t), sample.Messages(now)
	c := s.channel(t)
	s.abandon(t, c, messages[0])
	const want = "tell generic: an earlier message is still under way"
	for range 2 {
		if _, err := send(t, c, messages[0]); err == nil || err.Error() != want {
			t.Errorf("the same message: got %v, want %s", err, want)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err := c.Send(ctx, messages[1]); !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("another message: got %v, want %s, and that its deadline has come", err, want)
	}
	if n := len(s.took); n != 0 {
		t.Errorf("the far side took %d more messages", n)
	}
}

func TestWhatArrivesLateIsNotSentAgain(t *testing.T) {
	s, messages := newSlow(t), sample.Messages(now)
	c := s.channel(t)
	s.abandon(t, c, messages[0])
	s.answer <- http.StatusOK
	for range 2 {
		if _, err := send(t, c, messages[0]); err != nil {
			t.Errorf("got %v of what has arrived", err)
		}
	}
	if n := len(s.took); n != 0 {
		t.Errorf("the far side took it %d times more", n)
	}
	s.answer <- http.StatusOK
	if _, err := send(t, c, messages[1]); err != nil || len(s.took) != 1 {
		t.Errorf("another message: got %v, and the far side took %d", err, len(s.took))
	}
}

func TestWhatFailsLateIsSentAgain(t *testing.T) {
	s, m := newSlow(t), sample.Messages(now)[0]
	c := s.channel(t)
	s.abandon(t, c, m)
	s.answer <- http.StatusInternalServerError
	s.answer <- http.StatusOK
	if _, err := send(t, c, m); err != nil || len(s.took) != 1 {
		t.Errorf("got %v, and the far side took it %d times more, want once", err, len(s.took))
	}
}

func TestOnlyTheLastThatArrivedLateAreKnown(t *testing.T) {
	s, m := newSlow(t), sample.Messages(now)[0]
	c := s.channel(t)
	for n := range 17 {
		m.ID = strings.Repeat("x", n+1)
		s.abandon(t, c, m)
		s.answer <- http.StatusOK
		// Of another message, so that this one has ended.
		s.answer <- http.StatusOK
		if _, err := send(t, c, sample.Messages(now)[1]); err != nil {
			t.Fatal(err)
		}
		<-s.took
	}
	for id, want := range map[string]int{"x": 1, "xx": 0, m.ID: 0} {
		if m.ID = id; want > 0 {
			s.answer <- http.StatusOK
		}
		if _, err := send(t, c, m); err != nil || len(s.took) != want {
			t.Errorf("%s: got %v, and the far side took %d, want %d", id, err, len(s.took), want)
		}
		for range len(s.took) {
			<-s.took
		}
	}
}
