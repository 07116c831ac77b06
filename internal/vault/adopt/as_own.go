package adopt

import (
	"context"
	"io"
	"net/http"
	"slices"

	"github.com/holdfast-backup/holdfast"
)

// What a vault may do beside the contract. Where its own does nothing of the kind,
// the view says what one would say that cannot.
type (
	batchDeleter interface {
		DeleteBatch(ctx context.Context, keys []string) []error
	}
	revealer interface {
		Hidden(ctx context.Context, prefix string) (bool, error)
	}
	server interface{ Handler() http.Handler }
	sender interface {
		SendPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error
	}
)

// asOwn returns the view with those of the abilities that are asked for by their
// presence and that its own vault has.
func (v *Vault) asOwn() holdfast.Vault {
	served, isServed := v.Vault.(server)
	signer, signs := v.Vault.(holdfast.PageSigner)
	receiver, receives := v.Vault.(sender)
	switch {
	case isServed && receives:
		return struct {
			*Vault
			server
			sender
		}{v, served, receiver}
	case signs && receives:
		return struct {
			*Vault
			holdfast.PageSigner
			sender
		}{v, signer, receiver}
	case isServed:
		return struct {
			*Vault
			server
		}{v, served}
	case signs:
		return struct {
			*Vault
			holdfast.PageSigner
		}{v, signer}
	case receives:
		return struct {
			*Vault
			sender
		}{v, receiver}
	}
	return v
}

// Close lets go of the vault and of what holds the files of others.
func (v *Vault) Close() error {
	var err error
	if c, ok := v.source.(io.Closer); ok && !v.inside {
		err = c.Close()
	}
	if c, ok := v.Vault.(io.Closer); ok {
		if ownErr := c.Close(); err == nil {
			err = ownErr
		}
	}
	return err
}

// Hidden reports of Holdfast's own backups what the vault does.
func (v *Vault) Hidden(ctx context.Context, prefix string) (bool, error) {
	if own, ok := v.Vault.(revealer); ok {
		return own.Hidden(ctx, prefix)
	}
	return false, nil
}

// Posture implements holdfast.Posturer. That other programs delete backups of theirs
// by name is no news, where it can be told that it was only those.
func (v *Vault) Posture(ctx context.Context) (holdfast.Posture, error) {
	own, ok := v.Vault.(holdfast.Posturer)
	if !ok {
		return holdfast.Posture{Versioning: holdfast.Unknown, Private: holdfast.Unknown}, nil
	}
	p, err := own.Posture(ctx)
	if v.shared && p.HiddenCount == len(p.Hidden) {
		p.Hidden = slices.DeleteFunc(p.Hidden, func(key string) bool { return !IsOwn(key) })
		p.HiddenCount = len(p.Hidden)
	}
	return p, err
}
