package conform

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/holdfast-backup/holdfast"
)

// brokenReceivers has, for every check of vaults that receive parts, one that breaks
// its promise.
var brokenReceivers = map[string]func(s *store){
	"receive-parts": func(s *store) {
		// In the order in which they came.
		var mu sync.Mutex
		var came []byte
		s.receive = func(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error {
			mu.Lock()
			defer mu.Unlock()
			text, err := io.ReadAll(body)
			if err != nil {
				return err
			}
			came = append(came, text...)
			return s.Vault.SendPart(ctx, u, p, bytes.NewReader(text))
		}
		s.complete = func(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
			if err := s.Vault.CompleteUpload(ctx, u, parts, size); err != nil {
				return err
			}
			return s.overwrite(ctx, u.Key, came)
		}
	},
	"receive-other": func(s *store) {
		// Looks at the size alone.
		s.receive = func(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error {
			text, err := io.ReadAll(body)
			if err != nil || int64(len(text)) != p.Size {
				return errors.Join(err, holdfast.ErrCorrupt)
			}
			p = (&scratch{Env: &Env{Vault: s}}).part(p.Number, text)
			return s.Vault.SendPart(ctx, u, p, bytes.NewReader(text))
		}
	},
	"receive-broken": func(s *store) {
		// Takes what breaks off for what ends.
		s.receive = func(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error {
			text, _ := io.ReadAll(body)
			return s.Vault.SendPart(ctx, u, p, bytes.NewReader(text))
		}
	},
	"receive-repeated": func(s *store) {
		seen := map[int]bool{}
		s.receive = func(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error {
			if seen[p.Number] {
				return holdfast.ErrExist
			}
			seen[p.Number] = true
			return s.Vault.SendPart(ctx, u, p, body)
		}
	},
	"receive-replaced": func(s *store) {
		// The first one stays.
		sent := false
		s.receive = func(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error {
			if sent {
				return nil
			}
			sent = true
			return s.Vault.SendPart(ctx, u, p, body)
		}
	},
	"receive-late": func(s *store) {
		// The object goes on being the file that parts are written to.
		completed := false
		s.complete = func(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
			completed = true
			return s.Vault.CompleteUpload(ctx, u, parts, size)
		}
		s.receive = func(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error {
			if !completed {
				return s.Vault.SendPart(ctx, u, p, body)
			}
			text, err := io.ReadAll(body)
			if err != nil {
				return err
			}
			return s.overwrite(ctx, u.Key, text)
		}
	},
	"receive-unknown": func(s *store) {
		s.receive = func(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error {
			err := s.Vault.SendPart(ctx, u, p, body)
			if errors.Is(err, holdfast.ErrNotExist) {
				return nil
			}
			return err
		}
	},
}
