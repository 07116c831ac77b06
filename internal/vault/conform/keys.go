package conform

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

func keyChecks() []Check {
	return []Check{
		check("keys-plain", "Every key that Holdfast can make is stored, listed, read and downloaded as it is.", keysPlain),
		check("keys-odd", "Any other key is stored as it is or refused, and never stored as another.", keysOdd),
	}
}

func keysPlain(ctx context.Context, s *scratch) error {
	keys := s.keys("UPPER", "upper", "a-b_c.d", "9", "a.b.c.zst.age", "x--", "con", "nul.txt",
		strings.Repeat("n", 128), "deep/er/and/de-eper/still/20251028T140000Z-9f3c2a7d/manifest.json")
	if err := s.put(ctx, keys...); err != nil {
		return err
	}
	for _, key := range keys {
		if err := s.holds(ctx, key, []byte(key)); err != nil {
			return err
		}
		req, err := s.signDownload(ctx, key, path.Base(key), time.Hour)
		if errors.Is(err, ErrNotRunnable) {
			continue // a vault that signs nothing has no downloads
		}
		if err != nil {
			return err
		}
		got, err := s.send(ctx, req, nil)
		if err != nil {
			return err
		}
		if got.status != http.StatusOK || string(got.body) != key {
			return fmt.Errorf("download %q: got status %d and %s", key, got.status, show(got.body))
		}
	}
	slices.Sort(keys)
	return s.listed(ctx, s.prefix, keys...)
}

// oddNames are names that a vault may refuse; each means another in some system.
var oddNames = []string{
	"", ".", "..", "../up", "a/../b", "a/./b", "a//b", "a/", "/a", ".hidden", "a/.tmp/b", "a\\b", "..\\up",
	"a\x00b", "a\nb", "\xff\xfe", "%2e%2e/up", "%2Fetc", "a%00b", "a?b=c", "a#b", "a b", "a+b", "a&b", "ä", "a\u0308",
	"~", "a*", "[a]", "a:b", "\"a\"", "<a>", strings.Repeat("n", 300),
}

func keysOdd(ctx context.Context, s *scratch) error {
	// Deep enough below the check's prefix that what climbs out stays within it.
	deep := "x/y/"
	if err := s.put(ctx, s.prefix+"present"); err != nil {
		return err
	}
	want := []string{s.prefix + "present"}
	for _, name := range oddNames {
		key := s.prefix + deep + name
		if err := s.Vault.Put(ctx, key, []byte(key)); err == nil {
			want = append(want, key)
			if err := s.holds(ctx, key, []byte(key)); err != nil {
				return err
			}
		}
		if err := s.startOdd(ctx, key); err != nil {
			return err
		}
	}
	slices.Sort(want)
	return s.listed(ctx, s.prefix, want...)
}

// startOdd begins an upload of an odd key, which may be refused, and aborts it.
func (s *scratch) startOdd(ctx context.Context, key string) error {
	u, err := s.Vault.StartUpload(ctx, key)
	if err != nil {
		return nil
	}
	if u.Key != key {
		return fmt.Errorf("start upload of %q: got one of %q", key, u.Key)
	}
	return s.Vault.AbortUpload(ctx, u)
}
