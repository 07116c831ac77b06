package broker

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// checkManifest returns the manifest of a commit if the calling host signed it
// and it fits what was begun and what the vault demands. Its parts bear the
// ETags of the request. The host's times in it are trusted for nothing.
func checkManifest(key ed25519.PublicKey, u upload, limits holdfast.UploadLimits, req api.CommitRequest) (holdfast.Manifest, error) {
	m, err := token.OpenManifest(req.Manifest, key)
	if err != nil {
		return m, manifestRefused(err)
	}
	if m.Ref != u.Ref {
		return m, manifestRefused(fmt.Errorf("it is of %s, and the upload of %s", m.Ref, u.Ref))
	}
	if len(m.Streams) != len(u.Streams) {
		return m, manifestRefused(fmt.Errorf("it has %d streams, and %d were begun", len(m.Streams), len(u.Streams)))
	}
	for i := range m.Streams {
		stream := &m.Streams[i]
		if s, ok := u.stream(stream.Name); !ok || s.File != stream.File {
			return m, manifestRefused(fmt.Errorf("stream %q with file %q was not begun", stream.Name, stream.File))
		}
		if err := checkSchedule(*stream, limits); err != nil {
			return m, manifestRefused(fmt.Errorf("stream %q: %w", stream.Name, err))
		}
		if err := setETags(stream.Parts, req.ETags[stream.Name]); err != nil {
			return m, manifestRefused(fmt.Errorf("stream %q: %w", stream.Name, err))
		}
	}
	for name := range req.ETags {
		if _, ok := u.stream(name); !ok {
			return m, manifestRefused(fmt.Errorf("etags of a stream %q that was not begun", name))
		}
	}
	if size := m.StoredSize() + int64(len(req.Manifest)); size > u.MaxSize {
		return m, overQuota(http.StatusRequestEntityTooLarge,
			fmt.Sprintf("the backup has %s with its manifest, and may have %s", holdfast.Size(size), holdfast.Size(u.MaxSize)),
			"raise max_size in holdfast.yaml")
	}
	return m, nil
}

// checkSchedule returns an error unless every part has the size that its number
// demands, the last one at most that.
func checkSchedule(s holdfast.Stream, limits holdfast.UploadLimits) error {
	if s.Checksum != limits.Checksum {
		return fmt.Errorf("parts are summed by %s, and the vault wants %s", s.Checksum, limits.Checksum)
	}
	if len(s.Parts) > limits.MaxParts {
		return fmt.Errorf("%d parts, and the vault allows %d", len(s.Parts), limits.MaxParts)
	}
	for i, p := range s.Parts {
		want := holdfast.PartSize(p.Number, limits.MaxParts)
		if last := i == len(s.Parts)-1; p.Size > want || p.Size < want && !last {
			return fmt.Errorf("part %d has %d bytes, not the %d of the schedule", p.Number, p.Size, want)
		}
	}
	return nil
}

const maxETag = 256 // bytes; stores use far less

// setETags gives the parts the ETags of the request, if it has any.
func setETags(parts []holdfast.Part, etags []string) error {
	if len(etags) == 0 {
		return nil
	}
	if len(etags) != len(parts) {
		return fmt.Errorf("%d etags for %d parts", len(etags), len(parts))
	}
	for i, etag := range etags {
		for _, r := range etag {
			if r < ' ' || r > '~' {
				return errors.New("an etag is not printable ASCII")
			}
		}
		if len(etag) > maxETag {
			return fmt.Errorf("an etag of %d bytes", len(etag))
		}
		parts[i].ETag = etag
	}
	return nil
}
