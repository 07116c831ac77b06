package main

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// pusher runs a command in this process, and returns how it ended and what it said.
func pusher(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(&o)
	root.SetErr(&e)
	code = cli.Run(t.Context(), root)
	return code, o.String(), e.String()
}

// The first ten minutes by SFTP: init, its line into authorized_keys on the server,
// the fingerprint compared there, and nothing else.
func TestWhatInitPrintsIsAllThatAServerNeeds(t *testing.T) {
	server := testenv.StartSSHD(t, testenv.SSHDOptions{Loose: true}) // what the key may do, its line says
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_STATE_HOME", "")
	etc := filepath.Join(dir, "etc")
	code, out, errOut := pusher(t, "init", "--host", "web1", "--dir", etc, "--identity", filepath.Join(dir, "identity.txt"),
		"--sftp", server.User+"@"+server.Addr()+server.Path+"/web1")
	if code != cli.ExitOK {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	if !regexp.MustCompile(`(?m)^#   ` + regexp.QuoteMeta(server.Fingerprint) + `$`).MatchString(out) {
		t.Errorf("the server's fingerprint is %s; init printed\n%s", server.Fingerprint, out)
	}
	if strings.Contains(out, "PRIVATE") || strings.Contains(server.Log(), "Accepted") || strings.Contains(server.Log(), "Failed") {
		t.Errorf("a private key was printed, or somebody tried to log in:\n%s\n%s", out, server.Log())
	}
	line := regexp.MustCompile(`(?m)^restrict,command=.* web1$`).FindString(out)
	if line == "" {
		t.Fatalf("no line for authorized_keys:\n%s", out)
	}
	file := filepath.Join(etc, "pusher.yaml")
	if code, _, _ := pusher(t, "doctor", "--config", file); code != cli.ExitFailed {
		t.Errorf("before the server knows the key: doctor ended with %d, want %d", code, cli.ExitFailed)
	}
	server.Authorize(t, line)
	code, out, errOut = pusher(t, "doctor", "--config", file)
	if code != cli.ExitOK {
		t.Fatalf("doctor ended with %d:\n%s%s\n%s", code, out, errOut, server.Log())
	}
	for _, attack := range []string{"overwrite backups", "rename backups", "delete backups"} {
		if !strings.Contains(out, "ok    "+attack+": refused") {
			t.Errorf("with the printed line this host can %s:\n%s", attack, out)
		}
	}
	if code, out, errOut = pusher(t, "run", "--config", file); code != cli.ExitOK {
		t.Fatalf("run ended with %d:\n%s%s", code, out, errOut)
	}
	manifests, err := filepath.Glob(filepath.Join(server.Dir, "web1", "backups", "web1", "etc", "*", "manifest.json"))
	if err != nil || len(manifests) != 1 {
		t.Errorf("got the backups %v, %v; want one", manifests, err)
	}
}

// A server that takes the connection and says nothing does not hold init up for long,
// and one that is told to stop stops at once.
func TestAServerThatSaysNothingIsNotWaitedFor(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := make(chan net.Conn, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		if conn, err := listener.Accept(); err == nil {
			_, _ = conn.Read(make([]byte, 1)) // of what a client says first
			taken <- conn
		}
	}()
	began := time.Now()
	if _, err := askHostKey(ctx, listener.Addr().String()); err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if took := time.Since(began); took > askTimeout/2 {
		t.Errorf("it took %s", took)
	}
	(<-taken).Close()
}

func TestServersAreNamedAsSSHNamesThem(t *testing.T) {
	for _, tt := range []struct {
		text string
		want config.StarterSFTP
	}{
		{"web1@nas.example.com", config.StarterSFTP{User: "web1", Host: "nas.example.com", Port: 22, Path: "vault"}},
		{"web1@nas.example.com:23/", config.StarterSFTP{User: "web1", Host: "nas.example.com", Port: 23, Path: "/"}},
		{"web1@nas.example.com/srv/b", config.StarterSFTP{User: "web1", Host: "nas.example.com", Port: 22, Path: "/srv/b"}},
		{"sftp://web1@nas.example.com:2222/~/b/c", config.StarterSFTP{User: "web1", Host: "nas.example.com", Port: 2222, Path: "b/c"}},
		{"web1@[2001:db8::1]:23/b", config.StarterSFTP{User: "web1", Host: "2001:db8::1", Port: 23, Path: "/b"}},
		{"box=u1-sub2@u1-sub2.example.com:23", config.StarterSFTP{Name: "box", User: "u1-sub2", Host: "u1-sub2.example.com", Port: 23, Path: "vault"}},
		{"web1@[2001:db8::1]", config.StarterSFTP{User: "web1", Host: "2001:db8::1", Port: 22, Path: "vault"}},
	} {
		if got, err := parseServer(tt.text); err != nil || got != tt.want {
			t.Errorf("%s: got %+v, %v; want %+v", tt.text, got, err, tt.want)
		}
		starter := config.Starter{Host: "web1", Key: "web1.key", Recipient: "age1a", SFTP: &tt.want}
		tt.want.Name, tt.want.Key, tt.want.HostKey = "nas", "file:nas.key", someFingerprint
		c, err := config.ParsePusher("/etc/holdfast/pusher.yaml", []byte(config.StarterPusher(starter)))
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if s := c.Destinations["nas"].SFTP; net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) != net.JoinHostPort(tt.want.Host, strconv.Itoa(tt.want.Port)) || s.Path != tt.want.Path || s.User != tt.want.User {
			t.Errorf("%s: pusher.yaml has %+v", tt.text, s)
		}
	}
	for _, text := range []string{"nas.example.com", "@nas", "web1@", "web1@:22", "web1:secret@nas", "web1@nas:0", "web1@nas:65536", "web1@nas:", "web1@2001:db8::1"} {
		if got, err := parseServer(text); err == nil {
			t.Errorf("%s: got %+v, want an error", text, got)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows the password: %v", text, err)
		}
	}
}

const someFingerprint = "SHA256:uNiVztksCsDhcc0u9e8BrrCWGPmFAsVlXDzUpDJ3FmI"

func TestAServerIsCalledByTheFirstPartOfItsName(t *testing.T) {
	for _, tt := range []struct{ server, host, want string }{
		{"nas.example.com", "web1", "nas"}, {"NAS", "web1", "nas"}, {"192.0.2.1", "web1", "sftp"}, {"2001:db8::1", "web1", "sftp"},
		{"nas.example.com", "nas", "sftp"}, {"broker.example.com", "web1", "sftp"}, {"sftp.example.com", "sftp", "offsite"}, {"my_nas", "web1", "sftp"},
	} {
		if got := destinationName(tt.server, tt.host); got != tt.want {
			t.Errorf("%s of %s: got %s, want %s", tt.server, tt.host, got, tt.want)
		}
	}
}
