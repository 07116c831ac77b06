package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// askTimeout is how long a server may take to show its key. Someone waits.
const askTimeout = 10 * time.Second

// hostKeyFiles are where OpenSSH has the public half of a server's key, by the type
// of the key.
var hostKeyFiles = map[string]string{
	ssh.KeyAlgoED25519:  "/etc/ssh/ssh_host_ed25519_key.pub",
	ssh.KeyAlgoECDSA256: "/etc/ssh/ssh_host_ecdsa_key.pub",
	ssh.KeyAlgoECDSA384: "/etc/ssh/ssh_host_ecdsa_key.pub",
	ssh.KeyAlgoECDSA521: "/etc/ssh/ssh_host_ecdsa_key.pub",
	ssh.KeyAlgoRSA:      "/etc/ssh/ssh_host_rsa_key.pub",
}

// askHostKey returns the best key that the SSH server at addr has, of the kinds that
// a vault accepts. It proves that the server holds the key, not whose server it is,
// and hangs up before anybody logs in.
func askHostKey(ctx context.Context, addr string) (ssh.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var dialer net.Dialer
	tcp, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer tcp.Close()
	defer context.AfterFunc(ctx, func() { tcp.Close() })()
	var shown ssh.PublicKey
	config := &ssh.ClientConfig{
		// In order of preference; ssh-rsa, which signs with SHA-1, is not among them.
		HostKeyAlgorithms: []string{
			ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
			ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
		},
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			shown = key
			return errors.New("that was all")
		},
	}
	_, _, _, err = ssh.NewClientConn(tcp, addr, config)
	switch {
	case shown != nil:
		return shown, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("ask %s for its host key: %w", addr, ctx.Err())
	}
	return nil, fmt.Errorf("ask %s for its host key: %w", addr, err)
}
