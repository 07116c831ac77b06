package site

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/status"
)

// PageLink returns a URL that shows the status page in the vault until ttl has
// passed; "" for a vault that cannot show one by itself.
func PageLink(ctx context.Context, vault holdfast.Vault, ttl time.Duration) (string, error) {
	signer, ok := vault.(holdfast.PageSigner)
	if !ok {
		return "", nil
	}
	r, err := signer.SignPage(ctx, status.PageKey, ttl)
	if err != nil {
		return "", fmt.Errorf("link to the status page: %w", err)
	}
	return r.URL, nil
}
