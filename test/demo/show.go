package main

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// pusher and holdfast show a command of the host and of the operator.
func (d *demo) pusher(args ...string) (string, error) {
	return d.show("pusher", append([]string{"--config", d.path("host/pusher.yaml")}, args...)...)
}

func (d *demo) holdfast(args ...string) (string, error) {
	return d.show("holdfast", append([]string{"--config", d.path("server/holdfast.yaml")}, args...)...)
}

// show runs a program and prints the command and what it printed.
func (d *demo) show(program string, args ...string) (string, error) {
	fmt.Printf("  $ %s\n", strings.Join(append([]string{program}, args...), " "))
	out, err := exec.Command(filepath.Join(d.bin, program), args...).CombinedOutput()
	for line := range strings.Lines(strings.TrimRight(string(out), "\n")) {
		fmt.Print("    ", strings.TrimRight(line, "\n"), "\n")
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", program, args[0], err)
	}
	return string(out), nil
}

func (d *demo) say(text string) { fmt.Printf("\n== %s\n", text) }

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }

// edit writes a configuration and shows it.
func (d *demo) edit(name, text string) error {
	fmt.Printf("  %s\n", d.path(name))
	for line := range strings.Lines(text) {
		fmt.Print("    ", line)
	}
	return writeFile(d.path(name), text, 0o600)
}

func (d *demo) waitForServer() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		answer, err := http.Get(d.url + "/healthz")
		if err == nil {
			return answer.Body.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
