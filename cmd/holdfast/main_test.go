package main

import (
	"testing"

	"github.com/holdfast-backup/holdfast/internal/testenv/script"
)

func TestMain(m *testing.M) { script.Main(m, "holdfast", main, "pusher") }

// TestScripts runs testdata/*.txt, one topic each.
func TestScripts(t *testing.T) { script.Run(t) }

func TestEveryCommandIsExplained(t *testing.T) { script.Explained(t, rootCommand()) }
