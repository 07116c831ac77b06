package script

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// exits runs a program that must end with the exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got, err = exit.ExitCode(), nil
	}
	ts.Check(err)
	if got != want {
		ts.Fatalf("exit code: got %d, want %d", got, want)
	}
}

// terminal is exits with a terminal, by way of script(1), for both outputs.
func terminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: terminal CODE PROGRAM [ARG…]")
	}
	quoted := make([]string, len(args)-1)
	for i, arg := range args[1:] {
		quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	exits(ts, neg, []string{args[0], "script", "-qec", strings.Join(quoted, " "), "/dev/null"})
}

func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: mode MODE FILE…")
	}
	for _, file := range args[1:] {
		info, err := os.Stat(ts.MkAbs(file))
		ts.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
			ts.Fatalf("mode of %s: got %s, want %s", file, got, args[0])
		}
	}
}

// checkJSON compares one value of a JSON text.
func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: json FILE PATH [VALUE]")
	}
	got, err := find(ts.ReadFile(args[0]), args[1])
	switch {
	case neg && len(args) == 2:
		if err == nil {
			ts.Fatalf("%s is there: %s", args[1], got)
		}
		return
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if len(args) == 3 && (got == args[2]) == neg {
		ts.Fatalf("%s: got %s, want %s", args[1], got, args[2])
	}
}

// let sets a variable to a value of a JSON text.
func let(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: let NAME FILE PATH [WIDTH]")
	}
	value, err := find(ts.ReadFile(args[1]), args[2])
	ts.Check(err)
	if len(args) == 4 {
		width, err := strconv.Atoi(args[3])
		ts.Check(err)
		value = value[:min(width, len(value))]
	}
	ts.Setenv(args[0], value)
}

// find returns the value at a path of keys, numbers of items (from 0) and length,
// joined with dots; "." is the whole. A string is returned
// as it is, all else as JSON. Several JSON texts in a row, such as lines, count
// as one list of them.
func find(text, path string) (string, error) {
	var all []any
	for decoder := json.NewDecoder(strings.NewReader(text)); ; {
		var v any
		err := decoder.Decode(&v)
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", fmt.Errorf("not JSON: %v", err)
		}
		all = append(all, v)
	}
	var at any = all
	if len(all) == 1 {
		at = all[0]
	}
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' }) {
		var ok bool
		if at, ok = descend(at, step); !ok {
			return "", fmt.Errorf("there is no %s at %s", step, path)
		}
	}
	if s, ok := at.(string); ok {
		return s, nil
	}
	found, err := json.Marshal(at)
	return string(found), err
}

func descend(v any, step string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		if step == "length" {
			return len(v), true
		}
		value, ok := v[step]
		return value, ok
	case []any:
		if step == "length" {
			return len(v), true
		}
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i >= len(v) {
			return nil, false
		}
		return v[i], true
	}
	return nil, false
}
