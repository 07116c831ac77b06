package mem

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/holdfast-backup/holdfast"
)

// Load implements holdfast.Stater.
func (v *Vault) Load(ctx context.Context, key string) ([]byte, string, error) {
	if err := v.enter(ctx, "Load", key); err != nil {
		return nil, "", err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	o, ok := v.objects[key]
	if !ok {
		return nil, "", fmt.Errorf("load %q: %w", key, holdfast.ErrNotExist)
	}
	return bytes.Clone(o.body), tag(o.body), nil
}

// Swap implements holdfast.Stater.
func (v *Vault) Swap(ctx context.Context, key string, body []byte, old string) (string, error) {
	if err := v.enter(ctx, "Swap", key); err != nil {
		return "", err
	}
	if err := checkKey(key); err != nil {
		return "", err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	present := ""
	if o, ok := v.objects[key]; ok {
		present = tag(o.body)
	}
	if present != old {
		return "", fmt.Errorf("swap %q: %w", key, holdfast.ErrConflict)
	}
	v.objects[key] = object{body: bytes.Clone(body), modTime: v.now().UTC()}
	return tag(body), nil
}

func tag(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
