package alert

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-backup/holdfast"
)

func TestChannelThatHangsHoldsTheRunForItsTimeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, "dev", "ops")
		release, sends := make(chan struct{}), atomic.Int32{}
		h.phones["ops"].set(func(context.Context, holdfast.Message) error { sends.Add(1); <-release; return nil })
		for n, want := range [][]string{
			{"dev: opened crm/fresh!"},
			{"dev: opened vault/channel!"}, // the second failure in a row
			{},
		} {
			h.look("crm/fresh!")
			begun := time.Now()
			o := h.run()
			if took := time.Since(begun); n == 0 && took != DefaultSendTimeout+grace || n > 0 && took != 0 {
				t.Errorf("run %d took %s", n+1, took)
			}
			h.wantSaid(want...)
			if o.Channels[1].Err == "" || !o.Channels[1].Since.Equal(start) {
				t.Errorf("outcome of ops: %+v", o.Channels[1])
			}
			h.now = h.now.Add(time.Minute)
		}
		if n := sends.Load(); n != 1 {
			t.Errorf("%d messages under way at once", n)
		}
		close(release)
		synctest.Wait()
		h.phones["ops"].take() // it came after all, and nobody could know
		h.phones["ops"].set(nil)
		h.look("crm/fresh!")
		h.run()
		h.wantSaid("dev↩: resolved vault/channel!", "ops: opened crm/fresh!")
	})
}

func TestSlowChannelsAreSentToAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, "a", "b", "c")
		for _, phone := range h.phones {
			phone.set(func(ctx context.Context, _ holdfast.Message) error {
				select {
				case <-time.After(8 * time.Second):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		}
		h.look("crm/fresh!", "media/fresh!", "web2:crm/fresh!")
		begun := time.Now()
		h.run()
		if took := time.Since(begun); took != DefaultSendTimeout {
			t.Errorf("took %s, want %s: two messages each, and the third cut off", took, DefaultSendTimeout)
		}
		if said := h.said(); len(said) != 6 {
			t.Errorf("sent %v", said)
		}
		h.look("crm/fresh!", "media/fresh!", "web2:crm/fresh!")
		h.run()
		if said := h.said(); len(said) != 3 {
			t.Errorf("then sent %v, want the rest", said)
		}
	})
}

func TestErrorsOfChannelsHoldNoSecretsOfPanics(t *testing.T) {
	h, broken := newHouse(t, "ops"), (*holdfast.RetryAfterError)(nil)
	for name, tt := range map[string]struct {
		send func(context.Context, holdfast.Message) error
		want string
	}{
		"an error":                {down, errDown.Error()},
		"a panic with a text":     {func(context.Context, holdfast.Message) error { panic("https://hooks.example.com/secret") }, "it panicked with a string"},
		"a panic of the runtime":  {func(context.Context, holdfast.Message) error { return broken.Err }, "it panicked: runtime error: invalid memory address or nil pointer dereference"},
		"an end of the goroutine": {func(context.Context, holdfast.Message) error { return fmt.Errorf("two\nlines") }, `two\nlines`},
	} {
		h.phones["ops"].set(tt.send)
		h.look("crm/fresh!")
		if o := h.run(); o.Channels[0].Err != tt.want || o.Channels[0].Sent != 0 {
			t.Errorf("%s: outcome %+v, want %q", name, o.Channels[0], tt.want)
		}
	}
}

func TestChannelThatIsNotSetUpFails(t *testing.T) {
	h := newHouse(t, "ops")
	h.rules.Channels["gone"] = Rule{}
	for range 2 {
		h.look("crm/fresh!")
		h.run()
	}
	h.wantSaid("ops: opened crm/fresh!", "ops: opened vault/channel!")
}

func TestRunThatWasEndedFromOutsideSaysNothingOfTheChannel(t *testing.T) {
	h := newHouse(t, "ops")
	ctx, cancel := context.WithCancel(t.Context())
	h.phones["ops"].set(func(ctx context.Context, _ holdfast.Message) error { cancel(); <-ctx.Done(); return ctx.Err() })
	h.look("crm/fresh!")
	o, err := h.teller.Run(ctx, h.in)
	if err != nil || !o.Remembered || o.Untold != 1 {
		t.Errorf("outcome %+v, %v", o, err)
	}
	if c := h.state().Channels["ops"]; c.Fails != 0 || c.Claim != nil {
		t.Errorf("the state says %+v of the channel", c)
	}
	if _, err := h.teller.Run(ctx, h.in); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that begins too late: %v", err)
	}
}
