package main

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"testing"
)

func TestATerminalHearsOfADestinationOnce(t *testing.T) {
	var other bytes.Buffer
	var said []string
	log := slog.New(newTrouble(slog.NewTextHandler(&other, nil), func(line string) { said = append(said, line) }))
	down := errors.New("connection refused")
	log.Info("trying again", "call", "start", "to", "nas", "err", down)
	log.Info("trying again", "call", `stream "crm" part 7`, "to", "nas", "err", down)
	log.Info("trying again", "call", `stream "crm" part 7`, "to", "broker/main", "err", errors.New("timed out\x1b[2J"))
	log.Info("gave up a destination", "to", "nas", "err", down)
	log.Info("trying again", "call", "commit", "to", "broker/main", "err", down)
	want := []string{"  nas: trying again: connection refused", `  broker/main: trying again: timed out\x1b[2J`}
	if !slices.Equal(said, want) {
		t.Errorf("got %q, want %q", said, want)
	}
	if other.Len() > 0 {
		t.Errorf("the log has it too: %s", other.String())
	}
	log.Warn("the clock jumped", "to", "nas")
	log.Info("of the whole run")
	if n := bytes.Count(other.Bytes(), []byte("\n")); n != 2 {
		t.Errorf("got %d lines of what is not of one destination, want 2: %s", n, other.String())
	}
}
