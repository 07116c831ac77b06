package command_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/proc"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/source/command"
)

func dump(t *testing.T, options command.Options, w io.Writer) error {
	t.Helper()
	options.File = "dump.out"
	s, err := command.New(options)
	if err != nil {
		t.Fatal(err)
	}
	facts, err := s.Dump(t.Context(), w)
	if facts.Kind != command.Kind || s.File() != "dump.out" {
		t.Errorf("kind %q, file %q", facts.Kind, s.File())
	}
	return err
}

func TestTheOutputIsTheStream(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	err := dump(t, command.Options{
		Run: []string{"sh", "-c", `pwd; echo "$TOKEN"; echo done`}, Dir: dir, Trailer: "done",
		Env: map[string]secret.Secret{"TOKEN": secret.New("s3cret")},
	}, &out)
	if err != nil || out.String() != dir+"\ns3cret\ndone\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestAnOutputThatIsNotWholeIsAnError(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"exit status 1 after the trailer": {"echo done; exit 1", "exit status 1"},
		"killed":                          {"echo done; kill -9 $$", "signal: killed"},
		"empty":                           {"exit 0", "it is empty"},
		"no trailer":                      {"echo don", "do not contain the trailer"},
		"a trailer too far from the end":  {"echo done; head -c 5000 /dev/zero", "do not contain the trailer"},
		"a secret on stderr":              {"echo \"bad $TOKEN\" >&2; exit 1", "bad [hidden]"},
	} {
		t.Run(name, func(t *testing.T) {
			err := dump(t, command.Options{Run: []string{"sh", "-c", c.script}, Trailer: "done",
				Env: map[string]secret.Secret{"TOKEN": secret.New("s3cret")}}, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			var exit *proc.ExitError
			if errors.As(err, &exit) && strings.Contains(exit.Stderr, "s3cret") {
				t.Errorf("the secret shows: %q", exit.Stderr)
			}
		})
	}
}

func TestOptionsThatCannotBeUsed(t *testing.T) {
	for name, o := range map[string]command.Options{
		"no program":       {File: "a"},
		"a bad file name":  {Run: []string{"sh"}, File: "../a"},
		"too long trailer": {Run: []string{"sh"}, File: "a", Trailer: strings.Repeat("x", 5000)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := command.New(o); err == nil {
				t.Error("got no error")
			}
		})
	}
}

func TestExamine(t *testing.T) {
	for name, c := range map[string]struct {
		options command.Options
		ok      bool
	}{
		"all is well":       {command.Options{Run: []string{"sh"}, Trailer: "x"}, true},
		"no such program":   {command.Options{Run: []string{"/nonexistent/tool"}}, false},
		"no such directory": {command.Options{Run: []string{"sh"}, Dir: "/nonexistent"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.File = "a"
			s, err := command.New(c.options)
			if err != nil {
				t.Fatal(err)
			}
			if found := s.Examine(t.Context()); len(found) != 1 || found[0].OK != c.ok || found[0].OK == (found[0].Hint != "") {
				t.Errorf("got %+v", found)
			}
		})
	}
}
