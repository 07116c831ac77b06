package conform

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-backup/holdfast"
)

func partChecks() []Check {
	return []Check{
		check("part-size", "A part of another size than was signed is refused.", partSize),
		check("part-checksum", "A part with other bytes than were signed is refused.", partChecksum),
		check("part-method", "A signed part is good for no other method.", partMethod),
		check("part-tampered", "A signed part whose URL was changed is refused.", partTampered),
		check("part-expired", "A signed part is refused once it has expired.", partExpired),
		check("part-replaced", "A part that is sent again replaces the one before.", partReplaced),
		check("part-repeated", "The same part may be sent twice.", partRepeated),
		check("part-late", "After completion no signed part changes anything.", partLate),
	}
}

// untouched returns an error unless the upload still takes body as its only part
// and becomes the object: what was refused before has left nothing.
func (s *scratch) untouched(ctx context.Context, u holdfast.Upload, body []byte) error {
	p, err := s.sendPart(ctx, u, 1, body)
	if err != nil {
		return err
	}
	if err := s.Vault.CompleteUpload(ctx, u, []holdfast.Part{p}, p.Size); err != nil {
		return err
	}
	return s.holds(ctx, u.Key, body)
}

// refusals tries bodies with a request that was signed for body.
func (s *scratch) refusals(ctx context.Context, doing string, body []byte, others ...string) error {
	u, err := s.Vault.StartUpload(ctx, s.prefix+"object")
	if err != nil {
		return err
	}
	r, err := s.sign(ctx, u, 1, body)
	if err != nil {
		return err
	}
	for _, other := range others {
		if err := s.refused(ctx, doing, r, []byte(other)); err != nil {
			return err
		}
		err := s.corrupt(ctx, "complete with a part that was refused", u, []holdfast.Part{s.part(1, []byte(other))}, int64(len(other)))
		if err != nil {
			return err
		}
	}
	return s.untouched(ctx, u, body)
}

func partSize(ctx context.Context, s *scratch) error {
	return s.refusals(ctx, "send another size", []byte("a body"), "a body and more", "a bod")
}

func partChecksum(ctx context.Context, s *scratch) error {
	return s.refusals(ctx, "send other bytes", []byte("a body"), "b body", "A body")
}

func partMethod(ctx context.Context, s *scratch) error {
	body := []byte("a body")
	u, err := s.Vault.StartUpload(ctx, s.prefix+"object")
	if err != nil {
		return err
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
		r, err := s.sign(ctx, u, 1, body)
		if err != nil {
			return err
		}
		if r.Method != http.MethodPut {
			return fmt.Errorf("sign part: method %q, want PUT", r.Method)
		}
		r.Method = method
		send := body
		if method == http.MethodGet || method == http.MethodHead {
			send = nil
		}
		if err := s.refused(ctx, "send a signed part with "+method, r, send); err != nil {
			return err
		}
	}
	return s.untouched(ctx, u, body)
}

func partTampered(ctx context.Context, s *scratch) error {
	body := []byte("a body")
	u, err := s.Vault.StartUpload(ctx, s.prefix+"object")
	if err != nil {
		return err
	}
	r, err := s.sign(ctx, u, 1, body)
	if err != nil {
		return err
	}
	for _, other := range tampered(r) {
		if err := s.refused(ctx, "send to a changed URL", other, body); err != nil {
			return err
		}
	}
	return s.untouched(ctx, u, body)
}

// brief and past are long enough for stores that count in seconds.
const (
	brief = 3 * time.Second
	past  = 6 * time.Second
)

func partExpired(ctx context.Context, s *scratch) error {
	body := []byte("a body")
	u, err := s.Vault.StartUpload(ctx, s.prefix+"object")
	if err != nil {
		return err
	}
	r, err := s.signPart(ctx, u, s.part(1, body), brief)
	if err != nil {
		return err
	}
	if _, err := s.sendSigned(ctx, r, 1, body); err != nil {
		return fmt.Errorf("before it expires: %w", err)
	}
	if err := s.advance(ctx, past); err != nil {
		return err
	}
	if err := s.refused(ctx, "send a part after it expired", r, body); err != nil {
		return err
	}
	return s.untouched(ctx, u, body)
}

func partReplaced(ctx context.Context, s *scratch) error {
	u, _, err := s.begin(ctx, s.prefix+"object", []byte("first, and longer"))
	if err != nil {
		return err
	}
	return s.untouched(ctx, u, []byte("second"))
}

func partRepeated(ctx context.Context, s *scratch) error {
	body := []byte("a body")
	u, err := s.Vault.StartUpload(ctx, s.prefix+"object")
	if err != nil {
		return err
	}
	r, err := s.sign(ctx, u, 1, body)
	if err != nil {
		return err
	}
	for range 2 {
		if _, err := s.sendSigned(ctx, r, 1, body); err != nil {
			return err
		}
	}
	return s.untouched(ctx, u, body)
}

func partLate(ctx context.Context, s *scratch) error {
	key, body, other := s.prefix+"object", []byte("a body"), []byte("b body")
	u, parts, err := s.begin(ctx, key, body)
	if err != nil {
		return err
	}
	var late []holdfast.Request
	for n := 1; n <= 2; n++ {
		r, err := s.sign(ctx, u, n, other)
		if err != nil {
			return err
		}
		late = append(late, r)
	}
	if err := s.Vault.CompleteUpload(ctx, u, parts, int64(len(body))); err != nil {
		return err
	}
	for _, r := range late {
		// A store may say that it took the part, as long as nothing comes of it.
		if _, err := s.send(ctx, r, other); ctx.Err() != nil {
			return err
		}
		if err := s.holds(ctx, key, body); err != nil {
			return err
		}
	}
	return s.listed(ctx, s.prefix, key)
}
