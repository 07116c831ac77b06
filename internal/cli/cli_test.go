package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast/internal/cli"
)

// program returns a root command with `work [ONE] --fast`, which ends with err.
func program(err error) *cobra.Command {
	root := &cobra.Command{Use: "prog", Short: "Test"}
	work := &cobra.Command{
		Use: "work", Args: cobra.MaximumNArgs(1),
		RunE: func(*cobra.Command, []string) error { return err },
	}
	work.Flags().Bool("fast", false, "")
	work.Flags().Bool("slow", false, "")
	root.AddCommand(work)
	return root
}

// run runs the program and returns its exit code and what it said.
func run(t *testing.T, root *cobra.Command, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	root.SetArgs(args)
	root.SetOut(&o)
	root.SetErr(&e)
	return cli.Run(t.Context(), root), o.String(), e.String()
}

func TestTheExitCodeSaysWhatKindOfFailureItWas(t *testing.T) {
	failed := errors.New("it failed")
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"no error", nil, cli.ExitOK},
		{"a failure", failed, cli.ExitFailed},
		{"usage", cli.Usage(failed), cli.ExitUsage},
		{"usage of nothing", cli.Usage(nil), cli.ExitOK},
		{"a part", cli.Partial(failed), cli.ExitPartial},
		{"wrapped once more", fmt.Errorf("run: %w", cli.Partial(failed)), cli.ExitPartial},
		{"with advice", cli.Usage(cli.Hint(failed, "do it again")), cli.ExitUsage},
		{"advice on nothing", cli.Hint(nil, "do it again"), cli.ExitOK},
		{"silent", cli.Silent(cli.ExitFailed), cli.ExitFailed},
		// What a command itself says is its own, whatever it sounds like.
		{"a failure that sounds like usage", errors.New("unknown command in the dump"), cli.ExitFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code, _, errOut := run(t, program(c.err), "work"); code != c.want {
				t.Errorf("exit code: got %d, want %d; stderr: %s", code, c.want, errOut)
			}
		})
	}
}

func TestWhatIsWrongBeforeACommandRunsIsUsage(t *testing.T) {
	for _, args := range [][]string{
		{"wrok"}, {"work", "a", "b"}, {"work", "--quick"}, {"work", "--fast=perhaps"}, {"--fast"},
	} {
		code, out, errOut := run(t, program(nil), args...)
		if code != cli.ExitUsage || out != "" || !strings.Contains(errOut, "prog: hint: see `prog") {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, code, out, errOut)
		}
	}
}

func TestErrorsAndHintsGoToStandardError(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"an error", errors.New("read x: gone"), "prog: error: read x: gone\n"},
		{"with a hint", cli.Hint(errors.New("read x: gone"), "make %s", "x"), "prog: error: read x: gone\nprog: hint: make x\n"},
		{"with a hint further in", fmt.Errorf("run: %w", cli.Hint(errors.New("gone"), "make it")), "prog: error: run: gone\nprog: hint: make it\n"},
		{"the outer of two hints", cli.Hint(cli.Hint(errors.New("gone"), "inner"), "outer"), "prog: error: gone\nprog: hint: outer\n"},
		{"told already", cli.Silent(cli.ExitFailed), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, out, errOut := run(t, program(c.err), "work")
			if out != "" || errOut != c.want {
				t.Errorf("stdout %q, stderr %q; want %q on stderr", out, errOut, c.want)
			}
		})
	}
}

func TestExactlyOneOfSeveralFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"work", "--fast"}, cli.ExitOK},
		{[]string{"work", "--slow"}, cli.ExitOK},
		{[]string{"work"}, cli.ExitUsage},
		{[]string{"work", "--fast", "--slow"}, cli.ExitUsage},
	} {
		root := program(nil)
		work, _, err := root.Find([]string{"work"})
		if err != nil {
			t.Fatal(err)
		}
		work.RunE = func(command *cobra.Command, _ []string) error { return cli.ExactlyOne(command, "fast", "slow") }
		code, _, errOut := run(t, root, c.args...)
		if code != c.want {
			t.Errorf("%v: exit code: got %d, want %d", c.args, code, c.want)
		}
		const text = "prog: error: work: want one of --fast or --slow\nprog: hint: see `prog work --help`\n"
		if code != cli.ExitOK && errOut != text {
			t.Errorf("%v: stderr: got %q, want %q", c.args, errOut, text)
		}
	}
}
