package broker

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// parts signs a request for each part at hand. Nothing is counted: the schedule
// of part sizes says where a part ends, so the highest number that is signed
// bounds the upload, and a part that is signed again replaces itself.
func (b *Broker) parts(ctx context.Context, c *call) (any, error) {
	var req api.PartsRequest
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	u, vault, err := b.openUpload(c, req.UploadToken)
	if err != nil {
		return nil, err
	}
	s, ok := u.stream(req.Stream)
	if !ok {
		return nil, notFound(fmt.Errorf("%s has no stream %q", u.Ref, req.Stream))
	}
	if len(req.Parts) == 0 || len(req.Parts) > api.MaxPartsPerCall {
		return nil, invalid(fmt.Errorf("%d parts, want 1 to %d", len(req.Parts), api.MaxPartsPerCall))
	}
	limits := vault.UploadLimits()
	for _, p := range req.Parts {
		if err := checkPart(p, limits, u.MaxSize); err != nil {
			return nil, err
		}
	}
	var answer api.PartsResponse
	for _, p := range req.Parts {
		signed, err := vault.SignPart(ctx, u.of(s), holdfast.Part{Number: p.Number, Size: p.Size, Sum: p.Sum}, RequestLife)
		if errors.Is(err, holdfast.ErrNotExist) {
			return nil, uploadGone(err)
		}
		if err != nil {
			return nil, fmt.Errorf("sign part %d of %q: %w", p.Number, u.Key(s.File), err)
		}
		b.audit(c, "part", u.Ref, "stream", s.Name, "part", p.Number, "size", p.Size)
		answer.Requests = append(answer.Requests, signed)
	}
	return answer, nil
}

// checkPart checks what can be said of a part by itself. Any part may be the
// last and therefore shorter; commit refuses one that is shorter in between.
func checkPart(p holdfast.Part, limits holdfast.UploadLimits, maxSize int64) error {
	if p.Number < 1 || p.Number > limits.MaxParts {
		return invalid(fmt.Errorf("part %d: want a number from 1 to %d", p.Number, limits.MaxParts))
	}
	if most := holdfast.PartSize(p.Number, limits.MaxParts); p.Size < 1 || p.Size > most {
		return invalid(fmt.Errorf("part %d: %d bytes, want 1 to %d", p.Number, p.Size, most))
	}
	if !isSum(p.Sum, limits.Checksum) {
		return invalid(fmt.Errorf("part %d: sum is no %s in lower-case hex", p.Number, limits.Checksum))
	}
	if end := holdfast.PartOffset(p.Number, limits.MaxParts) + p.Size; end > maxSize {
		return overQuota(http.StatusRequestEntityTooLarge,
			fmt.Sprintf("part %d ends at %s, and the backup may have %s", p.Number, holdfast.Size(end), holdfast.Size(maxSize)),
			"raise max_size in holdfast.yaml")
	}
	return nil
}

func isSum(sum, checksum string) bool {
	b, err := hex.DecodeString(sum)
	return err == nil && hex.EncodeToString(b) == sum &&
		len(b) == map[string]int{holdfast.ChecksumSHA256: 32, holdfast.ChecksumMD5: 16}[checksum]
}

func uploadGone(cause error) *refusal {
	r := notFound(cause)
	r.Detail, r.Hint = "the upload is gone: it was aborted, or swept after two days", "run the backup again"
	return r
}
