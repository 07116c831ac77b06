package doctor_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/doctor"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/direct"
	"github.com/holdfast-backup/holdfast/internal/vault/sftp"
)

// onlyDirect is a host without a broker, whose one destination is opened by open.
func onlyDirect(t *testing.T, to config.Destination, open func() (direct.Vault, error)) doctor.Options {
	t.Helper()
	o := newWorld(t).options
	o.Brokers, o.Config.Broker = nil, ""
	o.Config.Destinations = map[string]config.Destination{"nas": to}
	o.Open = func(context.Context, string) (direct.Vault, error) { return open() }
	return o
}

func onDisk(t *testing.T, dir string) doctor.Options {
	return onlyDirect(t, config.Destination{Disk: &config.LocalDisk{Path: dir}}, func() (direct.Vault, error) {
		return direct.Disk(dir, direct.Options{})
	})
}

func onServer(t *testing.T, s *testenv.SSHD, hostKey string) doctor.Options {
	to := config.Destination{SFTP: &config.SFTP{Host: s.Host, Port: s.Port, User: s.User, Path: s.Path}}
	return onlyDirect(t, to, func() (direct.Vault, error) {
		return sftp.New(sftp.Options{Host: s.Host, Port: s.Port, User: s.User, Path: s.Path, Key: secret.New(s.Key), HostKeys: []string{hostKey}})
	})
}

// exposed returns what can be done there, such as "list read".
func exposed(r doctor.Report) (can, cannot string) {
	var yes, no []string
	for _, d := range r.Direct {
		for _, e := range d.Exposed {
			name := strings.TrimSuffix(e.Name, " backups")
			if e.OK {
				no = append(no, name)
			} else {
				yes = append(yes, name)
			}
		}
	}
	return strings.Join(yes, " "), strings.Join(no, " ")
}

func TestADirectoryOfThisHostIsExposedAndNoFailure(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backups")
	r := doctor.Run(t.Context(), onDisk(t, dir))
	if !r.OK() {
		t.Errorf("not well: %+v", r)
	}
	if can, cannot := exposed(r); can != "list read overwrite rename delete" || cannot != "" {
		t.Errorf("can %q, cannot %q", can, cannot)
	}
	if len(r.Direct) != 1 || len(r.Direct[0].Examined) != 3 || len(r.Broker)+len(r.Attacks) != 0 {
		t.Errorf("got %+v", r)
	}
	if _, err := os.Stat(filepath.Join(dir, "scratch")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left in scratch: %v", err)
	}
}

func TestWhatAServerAllowsIsToldHonestly(t *testing.T) {
	for _, tt := range []struct {
		name        string
		options     testenv.SSHDOptions
		can, cannot string
		left        int // files in scratch after two runs
	}{
		{"a plain server", testenv.SSHDOptions{}, "list read overwrite rename delete", "", 0},
		{"one that denies remove and rename", testenv.SSHDOptions{Deny: testenv.DenyMoves()}, "list read overwrite", "rename delete", 1},
		{"one that forgets modes of open files", testenv.SSHDOptions{Deny: append(testenv.DenyMoves(), "setstat", "lsetstat")}, "list read overwrite", "rename delete", 1},
		{"one that lets nothing be taken back", testenv.SSHDOptions{Deny: testenv.DenyAll()}, "list read", "overwrite rename delete", 1},
		{"one that denies remove alone", testenv.SSHDOptions{Deny: []string{"remove"}}, "list read overwrite rename", "delete", 1},
		{"one that denies to read", testenv.SSHDOptions{Deny: []string{"read"}}, "list overwrite rename delete", "read", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := testenv.StartSSHD(t, tt.options)
			o := onServer(t, s, s.Fingerprint)
			for range 2 { // what is left must not be in the way of the next
				r := doctor.Run(t.Context(), o)
				if !r.OK() {
					t.Errorf("not well: %+v", r)
				}
				can, cannot := exposed(r)
				if diff := cmp.Diff([]string{tt.can, tt.cannot}, []string{can, cannot}); diff != "" {
					t.Errorf("can and cannot (-want +got):\n%s", diff)
				}
			}
			files, err := filepath.Glob(filepath.Join(s.Dir, "scratch", "[^.]*"))
			if err != nil || len(files) != tt.left {
				t.Errorf("scratch has %q, %v; want %d files", files, err, tt.left)
			}
			for _, file := range files {
				if body, err := os.ReadFile(file); err != nil || string(body) != "doctor was here\n" {
					t.Errorf("%s holds %q, %v", file, body, err)
				}
			}
		})
	}
}

func TestAServerThatIsNotAsItShouldBeIsAFailure(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	other := testenv.StartSSHD(t, testenv.SSHDOptions{})
	for _, tt := range []struct {
		name, want, hint string
		options          func() doctor.Options
	}{
		{"another host key", "reachable: ", "compare its key", func() doctor.Options { return onServer(t, s, other.Fingerprint) }},
		{"a key that it does not know", "reachable: ", "authorized_keys", func() doctor.Options {
			stranger := *s
			stranger.Key = other.Key
			return onServer(t, &stranger, s.Fingerprint)
		}},
		{"a server that is not there", "reachable: ", "are host and port right", func() doctor.Options {
			gone := *s
			gone.Port = 1
			return onServer(t, &gone, s.Fingerprint)
		}},
		{"a directory that is a file", "open: ", "", func() doctor.Options {
			file := filepath.Join(t.TempDir(), "file")
			must(t, os.WriteFile(file, nil, 0o600))
			return onDisk(t, file)
		}},
		{"a directory of others", "writable: ", "let this user make files", func() doctor.Options {
			must(t, os.Mkdir(filepath.Join(s.Dir, "scratch"), 0o755))
			t.Cleanup(func() { os.RemoveAll(filepath.Join(s.Dir, "scratch")) })
			return onServer(t, s, s.Fingerprint)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := doctor.Run(t.Context(), tt.options())
			failures := strings.Join(failuresOf(r), "\n")
			if r.OK() || !strings.Contains(failures, tt.want) {
				t.Errorf("OK %v, failures %q, want one of %q", r.OK(), failures, tt.want)
			}
			for _, d := range r.Direct {
				last := d.Examined[len(d.Examined)-1]
				if !strings.Contains(last.Hint, tt.hint) || len(d.Exposed) > 0 {
					t.Errorf("got %+v, want a hint of %q and nothing tried", d, tt.hint)
				}
			}
		})
	}
}

func TestExposureThatCannotBeTriedIsAFailure(t *testing.T) {
	o := onDisk(t, t.TempDir())
	o.Open = func(context.Context, string) (direct.Vault, error) {
		v, err := direct.Disk(t.TempDir(), direct.Options{}) // not where the attempts are made
		return v, err
	}
	if r := doctor.Run(t.Context(), o); r.OK() || !strings.Contains(strings.Join(failuresOf(r), "\n"), "could not be tried") {
		t.Errorf("OK %v: %+v", r.OK(), r)
	}
}
