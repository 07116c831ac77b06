package broker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// ticket is what a ticket carries.
type ticket struct {
	holdfast.Ref
	File string `json:"file"`
	// Vault is the only one to take it from; empty for the first that has it.
	Vault string `json:"vault,omitempty"`
	// Key is the id of the key whose holder made it; empty where it was made
	// with the secret itself, see Ticket.
	Key string `json:"key,omitempty"`
}

// Ticket returns a link to one file of one backup, for the broker at publicURL
// to redeem: for who has the broker's secret and needs nobody's leave. vault is
// the only one to take it from; empty for the first that has it.
func Ticket(sealer *token.Sealer, publicURL, vault string, ref holdfast.Ref, file string, expires time.Time) (string, error) {
	sealed, err := sealer.Seal(token.KindTicket, ticket{Ref: ref, File: file, Vault: vault}, expires)
	return ticketURL(publicURL, sealed), err
}

func ticketURL(publicURL, sealed string) string {
	return strings.TrimSuffix(publicURL, "/") + strings.Replace(api.PathRedeem, "{ticket}", sealed, 1)
}

// ticket makes a link to one file of one backup.
func (b *Broker) ticket(ctx context.Context, c *call) (any, error) {
	var req api.TicketRequest
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	if err := mayRestore(c.principal, req.Ref); err != nil {
		return nil, err
	}
	life := TicketLife
	if req.TTL != 0 {
		if req.TTL < 0 || req.TTL > int64(MaxTicketLife/time.Second) {
			return nil, invalid(fmt.Errorf("ttl_seconds %d: want at most %d", req.TTL, int64(MaxTicketLife/time.Second)))
		}
		life = time.Duration(req.TTL) * time.Second
	}
	var object holdfast.Object
	err := b.find(ctx, req.Ref, req.Vault, func(_ context.Context, p found) (err error) {
		object, err = p.file(req.Ref, req.File)
		return err
	})
	if err != nil {
		return nil, err
	}
	expires := c.now.Add(life).UTC().Truncate(time.Second)
	sealed, err := b.sealer.Seal(token.KindTicket, ticket{req.Ref, req.File, req.Vault, holdfast.KeyID(c.principal.Key)}, expires)
	if err != nil {
		return nil, err
	}
	b.audit(c, "ticket", req.Ref, "file", req.File, "size", object.Size, "expires", expires)
	return api.TicketResponse{URL: ticketURL(b.url, sealed), Expires: expires}, nil
}

// redeem answers a ticket with a signed download. A ticket lasts no longer than
// the right of the one who made it.
func (b *Broker) redeem(w http.ResponseWriter, r *http.Request) error {
	// A browser must not pass the ticket on to where it is sent.
	w.Header().Set("Referrer-Policy", "no-referrer")
	var t ticket
	err := b.sealer.Open(token.KindTicket, r.PathValue("ticket"), &t, b.now())
	if errors.Is(err, token.ErrExpired) {
		return expired("ticket", "make a new one with holdfast url")
	}
	if err != nil {
		return notFound(fmt.Errorf("ticket: %w", err))
	}
	maker, err := b.maker(t)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), shortCall)
	defer cancel()
	var signed holdfast.Request
	err = b.find(ctx, t.Ref, t.Vault, func(ctx context.Context, p found) error {
		object, err := p.file(t.Ref, t.File)
		if err != nil {
			return err
		}
		if signed, err = b.restore[p.vault].SignDownload(ctx, t.Ref.Key(t.File), t.File, RequestLife); err != nil {
			return fmt.Errorf("sign download of %q: %w", t.Ref.Key(t.File), err)
		}
		c := &call{principal: maker, id: w.Header().Get("X-Request-Id")}
		b.audit(c, "download", t.Ref, "vault", p.vault, "file", t.File, "size", object.Size, "by_ticket", true)
		return nil
	})
	if err != nil {
		return err
	}
	w.Header().Set("Location", signed.URL)
	writeEmpty(w, http.StatusFound)
	return nil
}

// maker returns who made the ticket, unless he may not restore the backup now.
func (b *Broker) maker(t ticket) (holdfast.Principal, error) {
	if t.Key == "" {
		return holdfast.Principal{Name: "the broker's secret"}, nil
	}
	maker, ok := b.registry.Principal(t.Key)
	if !ok {
		return maker, notFound(fmt.Errorf("ticket of the key %s, which is not known", t.Key))
	}
	return maker, mayRestore(maker, t.Ref)
}
