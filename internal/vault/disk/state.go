package disk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// Load implements holdfast.Stater. The tag is the hex SHA-256 of the document.
func (v *Vault) Load(ctx context.Context, key string) ([]byte, string, error) {
	body, tag, err := v.load(ctx, key)
	if err != nil {
		return nil, "", fmt.Errorf("load %q: %w", key, cause(err))
	}
	return body, tag, nil
}

func (v *Vault) load(ctx context.Context, key string) ([]byte, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	f, err := v.openFile(key)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, holdfast.MaxState+1))
	if err != nil {
		return nil, "", err
	}
	if len(body) > holdfast.MaxState {
		return nil, "", fmt.Errorf("%w: more than %d bytes", holdfast.ErrCorrupt, holdfast.MaxState)
	}
	return body, tagOf(body), nil
}

// Swap implements holdfast.Stater.
func (v *Vault) Swap(ctx context.Context, key string, body []byte, tag string) (string, error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	if !strings.HasPrefix(key, holdfast.StatePrefix) {
		return "", fmt.Errorf("swap %q: only what is under %s changes", key, holdfast.StatePrefix)
	}
	if err := v.swap(ctx, key, body, tag); err != nil {
		return "", fmt.Errorf("swap %q: %w", key, cause(err))
	}
	return tagOf(body), nil
}

func (v *Vault) swap(ctx context.Context, key string, body []byte, tag string) error {
	unlock, err := v.lock(ctx, stateLock, alone)
	if err != nil {
		return err
	}
	defer unlock()
	_, present, err := v.load(ctx, key)
	if err != nil && !errors.Is(err, holdfast.ErrNotExist) {
		return err
	}
	if present != tag {
		return holdfast.ErrConflict
	}
	temp, err := v.writeTemp(body)
	if err != nil {
		return err
	}
	defer v.root.Remove(temp)
	if tag != "" {
		return v.replace(ctx, temp, key)
	}
	// Linked, so that a Put of the same key, which takes no lock, is not replaced.
	if err = v.publish(ctx, temp, key); errors.Is(err, fs.ErrExist) {
		return holdfast.ErrConflict
	}
	return err
}

func tagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
