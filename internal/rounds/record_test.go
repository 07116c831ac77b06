package rounds_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/retention"
	"github.com/holdfast-backup/holdfast/internal/rounds"
	"github.com/holdfast-backup/holdfast/internal/vault/mem"
)

// cleaning is a vault, and rounds over it.
type cleaning struct {
	vault *mem.Vault
	clock time.Time
	r     rounds.Rounds
}

func newCleaning(t *testing.T) *cleaning {
	t.Helper()
	c := &cleaning{clock: now}
	c.vault = mem.New(func() time.Time { return c.clock }, "http://vault.example")
	registry, err := (&config.Holdfast{Vaults: map[string]config.Vault{"main": {}}}).Registry()
	if err != nil {
		t.Fatal(err)
	}
	c.r = rounds.Rounds{Registry: func() *config.Registry { return registry }, Now: func() time.Time { return c.clock }}
	return c
}

func (c *cleaning) run(ctx context.Context, o retention.Options) error {
	_, err := c.r.Retention(ctx, map[string]holdfast.Vault{"main": c.vault}, o)
	return err
}

func (c *cleaning) recorded(t *testing.T) *holdfast.Cleanup {
	t.Helper()
	body, _, err := c.vault.Load(t.Context(), holdfast.CleanupKey)
	if errors.Is(err, holdfast.ErrNotExist) {
		return nil
	}
	var last holdfast.Cleanup
	if err == nil {
		err = json.Unmarshal(body, &last)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &last
}

func TestARunOfRetentionLeavesWhatItDid(t *testing.T) {
	c := newCleaning(t)
	if err := c.vault.Put(t.Context(), "backups/notes.txt", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := c.run(t.Context(), retention.Options{}); err != nil {
		t.Fatal(err)
	}
	got := c.recorded(t)
	if got == nil || !got.At.Equal(now) || got.Version != 1 || got.Error != "" || len(got.Findings) != 1 || got.Findings[0].Check != holdfast.CheckRetentionStray {
		t.Errorf("recorded %+v", got)
	}
}

func TestARunThatTriesOrIsAboutAPartLeavesNothing(t *testing.T) {
	for name, o := range map[string]retention.Options{
		"dry": {DryRun: true}, "part": {Only: func(string, string) bool { return true }},
	} {
		c := newCleaning(t)
		if err := c.run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if got := c.recorded(t); got != nil {
			t.Errorf("%s: recorded %+v", name, got)
		}
	}
}

func TestAnOlderRunDoesNotReplaceALaterOnesRecord(t *testing.T) {
	c := newCleaning(t)
	for _, at := range []time.Duration{0, time.Hour, time.Minute} {
		c.clock = now.Add(at)
		if err := c.run(t.Context(), retention.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.recorded(t); !got.At.Equal(now.Add(time.Hour)) {
		t.Errorf("recorded the run at %s, want the latest", got.At)
	}
}

// Or the silence of retention would go unnoticed until then.
func TestARecordOfAClockThatWasAheadIsReplaced(t *testing.T) {
	c := newCleaning(t)
	for _, at := range []time.Duration{10 * 365 * 24 * time.Hour, 0} {
		c.clock = now.Add(at)
		if err := c.run(t.Context(), retention.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.recorded(t); !got.At.Equal(now) {
		t.Errorf("recorded the run at %s, want that of now", got.At)
	}
}

func TestARunThatFailedSaysWhyAndOneThatHadNoMoreTimeDoesNot(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{{errors.New("no disk"), "no disk"}, {context.DeadlineExceeded, ""}} {
		c := newCleaning(t)
		c.vault.Fault = func(op, _ string) error {
			if op == "List" {
				return test.err
			}
			return nil
		}
		if err := c.run(t.Context(), retention.Options{}); !errors.Is(err, test.err) {
			t.Fatalf("got %v, want %v", err, test.err)
		}
		got := c.recorded(t)
		if test.want == "" && got.Error != "" || !strings.Contains(got.Error, test.want) {
			t.Errorf("%v: recorded %q", test.err, got.Error)
		}
	}
}

func TestARecordThatCannotBeLeftFailsTheRun(t *testing.T) {
	c := newCleaning(t)
	full := errors.New("full")
	c.vault.Fault = func(op, _ string) error {
		if op == "Swap" {
			return full
		}
		return nil
	}
	if err := c.run(t.Context(), retention.Options{}); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
}
