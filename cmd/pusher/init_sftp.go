package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/sshca"
)

// sftpServer is the server that `pusher init --sftp` was told of.
type sftpServer struct {
	entry   config.StarterSFTP
	keyPath string
	private []byte // in OpenSSH's format
	public  string // ssh-ed25519 AAAA… web1
	shown   ssh.PublicKey
	silent  error // why the server has shown none
}

// defaultPath is where backups go if nothing is said: where docs/sftp.md has them.
const defaultPath = "vault"

// parseServer reads [NAME=]USER@HOST[:PORT][/PATH].
func parseServer(text string) (config.StarterSFTP, error) {
	s := config.StarterSFTP{Port: 22, Path: defaultPath}
	wrong := func(what string) error {
		return fmt.Errorf("--sftp %q: %s, want [NAME=]USER@HOST[:PORT][/PATH]", text, what)
	}
	user, rest, ok := strings.Cut(text, "@")
	if name, after, named := strings.Cut(user, "="); named {
		s.Name, user = name, after
	}
	user = strings.TrimPrefix(user, "sftp://")
	if strings.Contains(user, ":") {
		return s, errors.New("--sftp: holds a password, want [NAME=]USER@HOST[:PORT][/PATH]; this host gets a key instead")
	}
	if !ok || user == "" || strings.ContainsAny(user, "/ ") {
		return s, wrong("names no user")
	}
	address, path, given := strings.Cut(rest, "/")
	if given {
		s.Path = "/" + path
		if below, home := strings.CutPrefix(path, "~/"); home {
			s.Path = below
		}
	}
	s.User, s.Host = user, strings.Trim(address, "[]")
	if host, port, err := net.SplitHostPort(address); err == nil {
		s.Host = host
		if s.Port, err = strconv.Atoi(port); err != nil || s.Port < 1 || s.Port > 65535 {
			return s, wrong("the port is none")
		}
	} else if strings.Contains(address, ":") && !strings.HasPrefix(address, "[") {
		return s, wrong("the address is none")
	}
	if s.Host == "" {
		return s, wrong("names no server")
	}
	return s, nil
}

// newServer reads --sftp and makes a key for it; nothing is written or asked yet.
func newServer(text, host, dir string) (*sftpServer, error) {
	entry, err := parseServer(text)
	if err != nil {
		return nil, cli.Usage(err)
	}
	if entry.Name == "" {
		entry.Name = destinationName(entry.Host, host)
	}
	file := entry.Name + ".key"
	if entry.Name == host {
		return nil, cli.Usage(fmt.Errorf("--sftp %q: %s is this host's own key, choose another name", text, file))
	}
	entry.Key = secret.Ref("file:" + file)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make SSH key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, host)
	if err != nil {
		return nil, fmt.Errorf("make SSH key: %w", err)
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("make SSH key: %w", err)
	}
	return &sftpServer{
		entry: entry, keyPath: filepath.Join(dir, file), private: pem.EncodeToMemory(block),
		public: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(line))) + " " + host,
	}, nil
}

// destinationName returns the first part of the server's name, if that can be a
// name. The file of its key must not be that of the host's own.
func destinationName(server, host string) string {
	first, _, _ := strings.Cut(strings.ToLower(server), ".")
	if _, err := netip.ParseAddr(server); err == nil {
		first = ""
	}
	for _, name := range []string{first, "sftp"} {
		if holdfast.CheckName("destination", name) == nil && !slices.Contains([]string{config.BrokerDestination, host}, name) {
			return name
		}
	}
	return "offsite"
}

// ask asks the server for its key. One that does not answer now may do so later:
// then the key is left to be filled in.
func (s *sftpServer) ask(ctx context.Context) error {
	addr := net.JoinHostPort(s.entry.Host, strconv.Itoa(s.entry.Port))
	if s.shown, s.silent = askHostKey(ctx, addr); s.silent != nil {
		return ctx.Err()
	}
	s.entry.HostKey = ssh.FingerprintSHA256(s.shown)
	return nil
}

// report says what the server must be told, and what must be compared there.
func (s *sftpServer) report() string {
	text := fmt.Sprintf(`#
# made the SSH key %s
# paste as one line into the authorized_keys of %s on %s. With it the key
# can add files there, and not remove, rename or change any; where the server itself
# says what the key may do (docs/sftp.md), from ssh-ed25519 on is enough:
restrict,command="%s" %s
#
`, s.keyPath, s.entry.User, s.entry.Host, sshca.DefaultCommand, s.public)
	if s.shown != nil {
		return text + fmt.Sprintf(`# %s shows this host key, and pusher.yaml has it now:
#   %s
# Another machine could have answered in its place. On the server this must print the same:
#   ssh-keygen -lf %s
`, s.entry.Host, s.entry.HostKey, hostKeyFiles[s.shown.Type()])
	}
	return text + fmt.Sprintf(`# NOT DONE: %s has shown no host key:
#   %s
# Before the first run fill in host_key in pusher.yaml. On the server this prints it:
#   ssh-keygen -lf %s
`, s.entry.Host, holdfast.Printable(s.silent.Error()), hostKeyFiles[ssh.KeyAlgoED25519])
}
