package broker

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast/internal/api"
)

// Certifier signs SSH certificates for one vault; *sshca.Authority is one. Its
// errors are about what the caller sent.
type Certifier interface {
	Sign(host, publicKey string, sources []netip.Prefix, now time.Time) (certificate string, expires time.Time, err error)
}

// certificate signs an SSH certificate for a vault of the job that hosts write to
// by themselves. It says no more than that this host may log in there for a
// while, from its own addresses; what it can do there is the certificate's
// command and the server's to say.
func (b *Broker) certificate(_ context.Context, c *call) (any, error) {
	var req api.CertificateRequest
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	vaults, _, err := b.pushJob(c, req.Job)
	if err != nil {
		return nil, err
	}
	certifier, ok := b.certifiers[req.Vault]
	if !ok || !slices.Contains(vaults, req.Vault) {
		return nil, notFound(fmt.Errorf("certificate for the vault %q, which signs none for %s/%s", req.Vault, c.principal.Name, req.Job))
	}
	host := c.principal.Name
	certificate, expires, err := certifier.Sign(host, req.PublicKey, b.registry.Addresses(host), c.now)
	if err != nil {
		return nil, invalid(err)
	}
	b.log.Info("certified", "host", host, "job", req.Job, "vault", req.Vault, "expires", expires, "request", c.id)
	return api.CertificateResponse{Certificate: certificate, Expires: expires.UTC()}, nil
}
