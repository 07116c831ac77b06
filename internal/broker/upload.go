package broker

import (
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// upload is what an upload token carries: all that the broker has to know of a
// backup that has begun.
type upload struct {
	holdfast.Ref
	Vault   string         `json:"vault"`
	MaxSize int64          `json:"max_size"` // bytes, of all streams together
	Streams []uploadStream `json:"streams"`
}

type uploadStream struct {
	Name   string `json:"name"`
	File   string `json:"file"`
	Upload string `json:"upload"` // the store's id of it
}

func (u upload) stream(name string) (uploadStream, bool) {
	for _, s := range u.Streams {
		if s.Name == name {
			return s, true
		}
	}
	return uploadStream{}, false
}

// of returns the vault's upload of one of the streams.
func (u upload) of(s uploadStream) holdfast.Upload {
	return holdfast.Upload{Key: u.Key(s.File), ID: s.Upload}
}

// openUpload reads the upload token of a call to /v1/backups/{id}/…, and asks
// again whether the caller may still push the job, and to that vault.
func (b *Broker) openUpload(c *call, sealed string) (upload, PushVault, error) {
	var u upload
	err := b.sealer.Open(token.KindUpload, sealed, &u, c.now)
	if errors.Is(err, token.ErrExpired) {
		return u, nil, expired("upload token", "nothing was committed; run the backup again")
	}
	if err != nil {
		return u, nil, notFound(fmt.Errorf("upload token: %w", err))
	}
	if u.Host != c.principal.Name || string(u.ID) != c.request.PathValue("id") {
		return u, nil, notFound(fmt.Errorf("upload token is for %s", u.Ref))
	}
	vaults, _, err := b.pushJob(c, u.Job)
	if err != nil {
		return u, nil, err
	}
	if !slices.Contains(vaults, u.Vault) || !b.registry.Signs(u.Vault) {
		return u, nil, notFound(fmt.Errorf("upload token is for the vault %q, which takes nothing of %s/%s through the broker now", u.Vault, u.Host, u.Job))
	}
	vault, err := b.pushVault(u.Vault)
	if err != nil {
		return u, nil, notFound(fmt.Errorf("upload token: %w", err))
	}
	return u, vault, nil
}

// pushJob returns the policy of a job that the caller may push, and the vaults that it
// sends to. The host is always the caller itself.
func (b *Broker) pushJob(c *call, job string) (vaults []string, p holdfast.Policy, err error) {
	return b.ownJob(c, holdfast.ScopePush, job)
}

func (b *Broker) ownJob(c *call, scope holdfast.Scope, job string) (vaults []string, p holdfast.Policy, err error) {
	host := c.principal.Name
	for what, name := range map[string]string{"host": host, "job": job} {
		if err := holdfast.CheckName(what, name); err != nil {
			return nil, p, notFound(err)
		}
	}
	if !c.principal.May(scope, host, job) {
		return nil, p, notFound(fmt.Errorf("%s may not %s %s/%s", host, scope, host, job))
	}
	vaults, p, ok := b.registry.Job(host, job)
	if !ok {
		return nil, p, notFound(fmt.Errorf("job %s/%s is not configured", host, job))
	}
	vaults = slices.DeleteFunc(vaults, func(vault string) bool { return b.registry.Copied(vault, host, job) })
	return vaults, p, nil
}
