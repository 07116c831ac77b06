package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/holdfast-backup/holdfast"
)

// trouble is the log of a run for the person at its terminal: of each destination
// that is in trouble it says so once. What becomes of it the end of the run tells.
type trouble struct {
	slog.Handler // for what is not of one destination
	say          func(line string)

	mu   sync.Mutex
	told map[string]bool // by destination
}

func newTrouble(otherwise slog.Handler, say func(line string)) *trouble {
	return &trouble{Handler: otherwise, say: say, told: map[string]bool{}}
}

// Handle implements slog.Handler.
func (t *trouble) Handle(ctx context.Context, r slog.Record) error {
	var to, err string
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "to":
			to = a.Value.String()
		case "err":
			err = a.Value.String()
		}
		return true
	})
	if to == "" || r.Level > slog.LevelInfo {
		return t.Handler.Handle(ctx, r)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.told[to] {
		t.told[to] = true
		t.say(fmt.Sprintf("  %s: %s: %s", to, r.Message, holdfast.PrintableLines(err)))
	}
	return nil
}
