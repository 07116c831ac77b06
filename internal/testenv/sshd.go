package testenv

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
)

// SSHDOptions say what kind of SFTP server is wanted.
type SSHDOptions struct {
	// Home puts the user into a directory of the server's, as a Hetzner Storage
	// Box does, and not into a chroot of its own.
	Home bool
	// Loose leaves what may run, and what may be forwarded, to keys and certificates:
	// there is no chroot, and no command that the server forces.
	Loose bool
	// Deny are requests that the server refuses, as sftp-server -Q names them.
	Deny []string
	// Log takes a line for each request that the SFTP server gets; it needs the chroot.
	Log func(line string)
	// CA is the public key of an authority whose certificates are good for a login.
	CA string
	// Beside is a server whose directory this one serves too, with other rights.
	Beside *SSHD
	// Size is that of the file system which the vault lies on, in bytes. Default: as
	// large as the disk.
	Size int64
}

// SSHD is OpenSSH's server, for SFTP alone, with a user and keys of its own.
type SSHD struct {
	Host string
	Port int
	User string
	// Path is the user's own directory as the server names it, and Dir as this
	// machine does.
	Path, Dir string
	// Key is the private key that may log in, in OpenSSH's format.
	Key string
	// HostKey is the server's public key, and Fingerprint its fingerprint.
	HostKey, Fingerprint string

	base   string
	stdin  io.WriteCloser // of the shell that runs the server until it is told to stop
	shell  *exec.Cmd
	frozen []int // processes that Freeze stopped: a connection that ends leaves them
}

// DenyAll are the requests that an append-only SFTP server refuses.
func DenyAll() []string {
	return []string{"remove", "rmdir", "rename", "posix-rename", "hardlink", "symlink", "setstat", "fsetstat", "lsetstat"}
}

// DenyMoves are the requests that a server refuses which lets nothing be removed or
// renamed, and modes be changed.
func DenyMoves() []string {
	return []string{"remove", "rmdir", "rename", "posix-rename", "hardlink", "symlink"}
}

// sshdUser is whom tests log in as: without rights, and on every Debian.
const sshdUser = "nobody"

// StartSSHD starts a server that ends with the test. It needs root, as servers
// with a chroot do.
func StartSSHD(t testing.TB, o SSHDOptions) *SSHD {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("sshd with a chroot needs root")
	}
	s := &SSHD{Host: "127.0.0.1", User: sshdUser}
	if err := s.prepare(t, o); err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	s.Port = port
	if err := s.configure(o); err != nil {
		t.Fatal(err)
	}
	if o.Log != nil {
		if err := s.listen(t, o.Log); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { s.Stop(t) })
	s.Start(t)
	return s
}

// prepare makes the directories: sshd wants a chroot that only root can write to,
// all the way up, which /tmp is not.
func (s *SSHD) prepare(t testing.TB, o SSHDOptions) error {
	base, err := os.MkdirTemp("/var/lib", "holdfast-sshd-")
	if err != nil {
		return err
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	s.base, s.Dir = base, filepath.Join(base, "root", "backup")
	if o.Beside != nil {
		s.Dir = o.Beside.Dir
	}
	// Where sshd's unprivileged half goes; Debian's init script makes it.
	for _, dir := range []string{base, s.Dir, "/run/sshd"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(base, 0o755); err != nil {
		return err
	}
	if o.Beside != nil {
		return nil
	}
	if o.Size > 0 {
		if err := syscall.Mount("tmpfs", s.Dir, "tmpfs", 0, fmt.Sprintf("size=%d", o.Size)); err != nil {
			return fmt.Errorf("mount a small file system: %w", err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(s.Dir, syscall.MNT_DETACH) })
	}
	u, err := user.Lookup(sshdUser)
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return os.Chown(s.Dir, uid, gid)
}

// configure writes keys and configuration.
func (s *SSHD) configure(o SSHDOptions) error {
	var err error
	var hostKey, login string
	if hostKey, s.HostKey, err = NewSSHKey(""); err != nil {
		return err
	}
	if s.Key, login, err = NewSSHKey(""); err != nil {
		return err
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.HostKey))
	if err != nil {
		return err
	}
	s.Fingerprint = ssh.FingerprintSHA256(public)
	command := "internal-sftp"
	if o.Log != nil {
		command += " -l DEBUG3"
	}
	if len(o.Deny) > 0 {
		command += " -P " + strings.Join(o.Deny, ",")
	}
	lines := []string{
		fmt.Sprintf("ListenAddress %s:%d", s.Host, s.Port),
		"HostKey " + s.file("host.key"), "PidFile none", "UsePAM no", "StrictModes no", "LogLevel VERBOSE",
		"PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"AuthorizedKeysFile " + s.file("authorized_keys"), "Subsystem sftp internal-sftp",
	}
	files := map[string]string{"host.key": hostKey, "authorized_keys": login + "\n"}
	if o.CA != "" {
		lines = append(lines, "TrustedUserCAKeys "+s.file("ca.pub"))
		files["ca.pub"] = o.CA + "\n"
	}
	switch {
	case o.Loose:
		s.Path = s.Dir
		files["config"] = strings.Join(append(lines, "AllowTcpForwarding yes"), "\n") + "\n"
	case o.Home:
		command += " -d " + s.Dir
	default:
		lines, s.Path = append(lines, "ChrootDirectory "+filepath.Dir(s.Dir)), "/"+filepath.Base(s.Dir)
	}
	if !o.Loose {
		files["config"] = strings.Join(append(lines, "AllowTcpForwarding no", "ForceCommand "+command), "\n") + "\n"
	}
	for name, text := range files {
		if err := os.WriteFile(s.file(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	// The unprivileged half of sshd reads these.
	return os.Chmod(s.file("authorized_keys"), 0o644)
}

// listen takes what the SFTP server says to the system log, as it finds that in its
// chroot.
func (s *SSHD) listen(t testing.TB, log func(line string)) error {
	dir := filepath.Join(filepath.Dir(s.Dir), "dev")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	socket := &net.UnixAddr{Name: filepath.Join(dir, "log"), Net: "unixgram"}
	l, err := net.ListenUnixgram("unixgram", socket)
	if err != nil {
		return err
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, _, err := l.ReadFromUnix(buf)
			if err != nil {
				return
			}
			log(string(buf[:n]))
		}
	}()
	return os.Chmod(socket.Name, 0o666)
}

func (s *SSHD) file(name string) string { return filepath.Join(s.base, name) }

// Addr returns where the server listens.
func (s *SSHD) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Log returns what the server has said.
func (s *SSHD) Log() string { return logOf(s.base) }

// Authorize lets another key log in too; it is a line as in an authorized_keys file.
func (s *SSHD) Authorize(t testing.TB, line string) {
	t.Helper()
	f, err := os.OpenFile(s.file("authorized_keys"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
}

// NewSSHKey returns a private key in OpenSSH's format, encrypted if there is a
// passphrase, and the line of its public half.
func NewSSHKey(passphrase string) (private, public string, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", err
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		return "", "", err
	}
	line, err := ssh.NewPublicKey(pub)
	if err != nil {
		return "", "", err
	}
	return string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(line))), nil
}
