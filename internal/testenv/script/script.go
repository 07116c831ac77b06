// Package script runs the test scripts of the commands: testdata/*.txt, in the
// language of testscript, which read as documentation of what a person sees.
// Both programs can be run in every script. For tests only.
//
// Beside the commands of testscript there are these:
//
//	exits CODE PROGRAM [ARG…]     run a program that must end with this exit code
//	terminal CODE PROGRAM [ARG…]  the same with a terminal for both outputs, which
//	                              are then what stdout compares
//	mode 0600 FILE…               the files have this mode
//	json FILE PATH [VALUE]        FILE (or stdout) is JSON and has this there;
//	                              see find for PATH
//	let NAME FILE PATH [WIDTH]    set a variable to what is there, or its beginning
//	host NAME JOB…                a host with a key, that may push the jobs and has
//	                              NAME.yaml of the script as its jobs; $PUSHER_CONFIG
//	serve [-stop]                 a server with the hosts so far, at $BROKER, until
//	                              the script ends; policies.yaml and operators.yaml
//	                              are added to its holdfast.yaml ($HOLDFAST_CONFIG),
//	                              vaults.yaml to the vaults in it
package script

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Main runs the tests of a command. Scripts that run it run main in a process
// of its own; the other program is built.
func Main(m *testing.M, name string, main func(), other string) {
	testscript.Main(building{m, other}, map[string]func(){name: main})
}

// building is a test binary that needs another program.
type building struct {
	*testing.M
	program string
}

// Run builds the program, puts it into PATH and runs the tests.
func (b building) Run() int {
	dir, err := os.MkdirTemp("", "holdfast-script-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-o", dir, "../"+b.program)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build %s: %v\n%s", b.program, err, out)
		return 1
	}
	os.Setenv("PATH", os.Getenv("PATH")+string(os.PathListSeparator)+dir)
	return b.M.Run()
}

// timeout is how long all scripts of a package may take: a pusher that waits out
// an outage would do so for an hour.
const timeout = 5 * time.Minute

// Run runs the scripts in testdata, each in a directory and with a home of its own.
func Run(t *testing.T) {
	if scripts, _ := filepath.Glob("testdata/*.txt"); len(scripts) == 0 {
		t.Fatal("there are no scripts in testdata")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(timeout),
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "terminal": terminal, "mode": mode, "json": checkJSON, "let": let,
			"host": host, "serve": serve, "people": people,
		},
	})
}

// setup gives the script an address for its server and keeps what the developer
// has configured out of it.
func setup(env *testscript.Env) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	env.Values[siteKey{}] = &site{address: listener.Addr().String(), dir: env.WorkDir}
	home := filepath.Join(env.WorkDir, "home")
	for _, name := range []string{"PUSHER_CONFIG", "HOLDFAST_CONFIG", "HOLDFAST_BROKER", "HOLDFAST_KEY", "XDG_CONFIG_HOME", "XDG_STATE_HOME"} {
		env.Setenv(name, "")
	}
	env.Setenv("BROKER", "http://"+listener.Addr().String())
	env.Setenv("HOME", home)
	return os.Mkdir(home, 0o700)
}

// Explained fails the test unless the command and all below it say in a line
// what they do, have an example, and explain every flag.
func Explained(t *testing.T, command *cobra.Command) {
	t.Helper()
	if command.Short == "" || strings.HasSuffix(command.Short, ".") || len(command.Short) > 100 {
		t.Errorf("%s: Short is %q; want a line without a full stop", command.CommandPath(), command.Short)
	}
	if !strings.Contains(command.Example, command.CommandPath()) {
		t.Errorf("%s: has no example of itself", command.CommandPath())
	}
	command.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if flag.Usage == "" {
			t.Errorf("%s: --%s is not explained", command.CommandPath(), flag.Name)
		}
	})
	for _, below := range command.Commands() {
		Explained(t, below)
	}
}
