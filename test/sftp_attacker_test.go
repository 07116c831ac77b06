package test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// sshLogin logs in with a private key, and a certificate for it if there is one.
func sshLogin(t *testing.T, s *testenv.SSHD, user, key, certificate string) (*ssh.Client, error) {
	t.Helper()
	signer, err := ssh.ParsePrivateKey([]byte(key))
	must(t, err)
	if certificate != "" {
		parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(certificate))
		must(t, err)
		signer, err = ssh.NewCertSigner(parsed.(*ssh.Certificate), signer)
		must(t, err)
	}
	client, err := ssh.Dial("tcp", s.Addr(), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 20 * time.Second,
	})
	if err == nil {
		t.Cleanup(func() { client.Close() })
	}
	return client, err
}

// rawSFTP speaks the protocol as no client would; see draft-ietf-secsh-filexfer-02.
type rawSFTP struct {
	t   *testing.T
	in  io.Writer
	out io.Reader
}

const (
	sftpOpen, sftpClose, sftpWrite, sftpSetstat, sftpFsetstat        = 3, 4, 6, 9, 10
	sftpRemove, sftpMkdir, sftpRmdir, sftpRename, sftpSymlink        = 13, 14, 15, 18, 20
	sftpExtended, sftpStatus, sftpHandle                             = 200, 101, 102
	openRead, openWrite, openAppend, openCreate, openTrunc           = 1, 2, 4, 8, 16
	sftpOK, sftpFailure, sftpDenied                           uint32 = 0, 4, 3
)

func newRawSFTP(t *testing.T, client *ssh.Client) *rawSFTP {
	t.Helper()
	session, err := client.NewSession()
	must(t, err)
	t.Cleanup(func() { session.Close() })
	in, err := session.StdinPipe()
	must(t, err)
	out, err := session.StdoutPipe()
	must(t, err)
	must(t, session.RequestSubsystem("sftp"))
	raw := &rawSFTP{t, in, out}
	raw.send(1, uint32(3))
	if kind, _ := raw.receive(); kind != 2 {
		t.Fatalf("the SFTP server answers with %d", kind)
	}
	return raw
}

func (r *rawSFTP) send(kind byte, fields ...any) {
	r.t.Helper()
	packet := []byte{0, 0, 0, 0, kind}
	for _, field := range fields {
		switch f := field.(type) {
		case uint32:
			packet = binary.BigEndian.AppendUint32(packet, f)
		case uint64:
			packet = binary.BigEndian.AppendUint64(packet, f)
		case string:
			packet = append(binary.BigEndian.AppendUint32(packet, uint32(len(f))), f...)
		default:
			r.t.Fatalf("a field of type %T", field)
		}
	}
	packet[0], packet[1], packet[2], packet[3] = 0, 0, byte((len(packet)-4)>>8), byte(len(packet)-4)
	_, err := r.in.Write(packet)
	must(r.t, err)
}

func (r *rawSFTP) receive() (kind byte, body []byte) {
	r.t.Helper()
	var size [4]byte
	_, err := io.ReadFull(r.out, size[:])
	must(r.t, err)
	packet := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err = io.ReadFull(r.out, packet)
	must(r.t, err)
	return packet[0], packet[1:]
}

// ask sends a request and returns the status, and the handle if it is one.
func (r *rawSFTP) ask(kind byte, fields ...any) (status uint32, handle string) {
	r.t.Helper()
	r.send(kind, append([]any{uint32(7)}, fields...)...)
	switch kind, body := r.receive(); kind {
	case sftpHandle:
		return sftpOK, string(body[8:])
	case sftpStatus:
		return binary.BigEndian.Uint32(body[4:]), ""
	default:
		r.t.Fatalf("the server answers with %d", kind)
		return 0, ""
	}
}

// sftpAttempt is something that an attacker does to a stored file.
type sftpAttempt struct {
	name string
	do   func(r *rawSFTP, path string) (status uint32)
}

// opening opens the file so, and writes to it if that works.
func opening(flags uint32) func(r *rawSFTP, path string) uint32 {
	return func(r *rawSFTP, path string) uint32 {
		status, handle := r.ask(sftpOpen, path, flags, uint32(4), uint32(0o600))
		if status == sftpOK {
			status, _ = r.ask(sftpWrite, handle, uint64(0), "evil")
			r.ask(sftpClose, handle)
		}
		return status
	}
}

// byHandle changes attributes of the file by way of a handle that reads.
func byHandle(attributes ...any) func(r *rawSFTP, path string) uint32 {
	return func(r *rawSFTP, path string) uint32 {
		status, handle := r.ask(sftpOpen, path, uint32(openRead), uint32(0))
		if status != sftpOK {
			r.t.Errorf("open %s to read: status %d", path, status)
			return status
		}
		defer r.ask(sftpClose, handle)
		status, _ = r.ask(sftpFsetstat, append([]any{handle}, attributes...)...)
		return status
	}
}

// byName makes one request about the path.
func byName(kind byte, more ...any) func(r *rawSFTP, path string) uint32 {
	return func(r *rawSFTP, path string) uint32 {
		status, _ := r.ask(kind, append([]any{path}, more...)...)
		return status
	}
}

func extended(name string, more ...any) func(r *rawSFTP, path string) uint32 {
	return func(r *rawSFTP, path string) uint32 {
		status, _ := r.ask(sftpExtended, append([]any{name, path}, more...)...)
		return status
	}
}

// over puts a file of the attacker's in place of the stored one.
func over(name string) func(r *rawSFTP, path string) uint32 {
	return func(r *rawSFTP, path string) uint32 {
		own := path + ".evil"
		if status, handle := r.ask(sftpOpen, own, uint32(openWrite|openCreate), uint32(0)); status == sftpOK {
			r.ask(sftpClose, handle)
		}
		if name == "" {
			status, _ := r.ask(sftpRename, own, path)
			return status
		}
		status, _ := r.ask(sftpExtended, name, own, path)
		return status
	}
}

func sftpAttempts() []sftpAttempt {
	const size, owner, mode, times = uint32(1), uint32(2), uint32(4), uint32(8)
	return []sftpAttempt{
		{"open to write", opening(openWrite)}, {"open to read and write", opening(openRead | openWrite)},
		{"open and cut", opening(openWrite | openTrunc)}, {"open to append", opening(openWrite | openAppend)},
		{"create over it", opening(openWrite | openCreate | openTrunc)}, {"create", opening(openWrite | openCreate)},
		{"chmod", byName(sftpSetstat, mode, uint32(0o600))}, {"truncate", byName(sftpSetstat, size, uint64(0))},
		{"touch", byName(sftpSetstat, times, uint32(0), uint32(0))}, {"chown", byName(sftpSetstat, owner, uint32(1), uint32(1))},
		{"chmod by a handle", byHandle(mode, uint32(0o600))}, {"truncate by a handle", byHandle(size, uint64(0))},
		{"touch by a handle", byHandle(times, uint32(0), uint32(0))},
		{"chmod by lsetstat", extended("lsetstat@openssh.com", mode, uint32(0o600))},
		{"remove", byName(sftpRemove)}, {"remove as a directory", byName(sftpRmdir)},
		{"rename", func(r *rawSFTP, path string) uint32 { return byName(sftpRename, path+".gone")(r, path) }},
		{"posix-rename", func(r *rawSFTP, path string) uint32 {
			return extended("posix-rename@openssh.com", path+".gone")(r, path)
		}},
		{"rename over it", over("")}, {"posix-rename over it", over("posix-rename@openssh.com")}, {"link over it", over("hardlink@openssh.com")},
		{"link it elsewhere", func(r *rawSFTP, path string) uint32 {
			return extended("hardlink@openssh.com", path+".link")(r, path)
		}},
		{"a symbolic link over it", func(r *rawSFTP, path string) uint32 { return byName(sftpSymlink, path)(r, "/etc/passwd") }},
		{"make it a directory", byName(sftpMkdir, uint32(0))},
		// Then again, had one of them changed the mode.
		{"open to write at last", opening(openWrite)},
	}
}

// noWayOut proves that who has logged in gets neither a program nor a port.
func noWayOut(t *testing.T, client *ssh.Client) {
	t.Helper()
	// A user without a shell is told so by whatever runs for him but SFTP.
	for _, command := range []string{"id", "/bin/sh -c id", "scp -t /tmp", "internal-sftp", ""} {
		session, err := client.NewSession()
		must(t, err)
		if err := session.RequestPty("xterm", 24, 80, nil); err == nil && command == "" {
			t.Error("it gets a terminal")
		}
		var out strings.Builder
		session.Stdout, session.Stderr, session.Stdin = &out, &out, strings.NewReader("")
		if command == "" {
			if err = session.Shell(); err == nil {
				err = session.Wait()
			}
		} else {
			err = session.Run(command)
		}
		session.Close()
		if strings.Contains(out.String(), "uid=") || strings.Contains(out.String(), "not available") {
			t.Errorf("%q ran: %q, %v", command, out.String(), err)
		}
	}
	if err := tryForward(t, client); err == nil {
		t.Error("it forwards a port")
	}
	if l, err := client.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
		t.Error("it listens on a port of the server")
	}
}

// tryForward reaches for a port of this machine's through the server.
func tryForward(t *testing.T, client *ssh.Client) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	c, err := client.Dial("tcp", l.Addr().String())
	if err == nil {
		c.Close()
	}
	return err
}

// notBack sends all attempts against the files of a stored backup.
func (n *nasSite) notBack(t *testing.T, client *ssh.Client) {
	t.Helper()
	before := n.local.stored()
	if len(before) == 0 {
		t.Fatal("there is nothing to attack")
	}
	// By SFTP times have whole seconds. What is added in the very second in which a host
	// stored its backup passes for that backup's own.
	stored := time.Now()
	waitFor(t, "the second of the backup to pass", func() bool { return time.Now().Unix() > stored.Unix() })
	raw := newRawSFTP(t, client)
	for path := range before {
		path = n.server.Path + "/acme/backups" + path
		for _, a := range sftpAttempts() {
			if status := a.do(raw, path); status != sftpDenied && status != sftpFailure {
				t.Errorf("%s of %s: status %d, want a refusal", a.name, path[strings.LastIndex(path, "/"):], status)
			}
		}
		// What hides an object that is being written must not hide one that is done.
		at := strings.LastIndex(path, "/") + 1
		if status := byName(sftpMkdir, uint32(0))(raw, fmt.Sprintf("%s.%s.begun", path[:at], path[at:])); status != sftpOK && status != sftpFailure {
			t.Errorf("mkdir: status %d", status)
		}
		dir := path[:at-1]
		for _, a := range []sftpAttempt{{"rename", byName(sftpRename, dir+".gone")}, {"chmod", byName(sftpSetstat, uint32(4), uint32(0))}, {"rmdir", byName(sftpRmdir)}} {
			if status := a.do(raw, dir); status != sftpDenied && status != sftpFailure {
				t.Errorf("%s of the directory: status %d, want a refusal", a.name, status)
			}
		}
	}
	now := n.local.stored()
	for path, sum := range before {
		if now[path] != sum {
			t.Errorf("%s was changed or is gone", path)
		}
	}
}
