package sftp

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// benchSize is that of the object that is put and got, in bytes.
const benchSize = 256 << 20

// senders is how many parts the pusher sends at once.
const senders = 4

// putLarge uploads body, in parts, a few at once.
func putLarge(ctx context.Context, v *Vault, key string, body []byte) error {
	u, err := v.StartUpload(ctx, key)
	if err != nil {
		return err
	}
	parts := split(body)
	errs := make([]error, senders)
	together(senders, func(from int) error {
		for i := from; i < len(parts) && errs[from] == nil; i += senders {
			at := holdfast.PartOffset(i+1, holdfast.MaxParts)
			errs[from] = v.SendPart(ctx, u, parts[i], bytes.NewReader(body[at:at+parts[i].Size]))
		}
		return nil
	})
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return v.CompleteUpload(ctx, u, parts, int64(len(body)))
}

// split returns the parts of body.
func split(body []byte) (parts []holdfast.Part) {
	for n := 1; len(body) > 0; n++ {
		piece := body[:min(int64(len(body)), holdfast.PartSize(n, holdfast.MaxParts))]
		sum := sha256.Sum256(piece)
		parts = append(parts, holdfast.Part{Number: n, Size: int64(len(piece)), Sum: hex.EncodeToString(sum[:])})
		body = body[len(piece):]
	}
	return parts
}

func BenchmarkPut(b *testing.B) {
	v := open(b, options(testenv.StartSSHD(b, testenv.SSHDOptions{})))
	body := make([]byte, benchSize)
	rand.Read(body)
	b.SetBytes(benchSize)
	for i := 0; b.Loop(); i++ {
		if err := putLarge(b.Context(), v, fmt.Sprintf("backups/%d", i), body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	v := open(b, options(testenv.StartSSHD(b, testenv.SSHDOptions{})))
	body := make([]byte, benchSize)
	rand.Read(body)
	if err := putLarge(b.Context(), v, "backups/object", body); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchSize)
	for b.Loop() {
		r, err := v.Open(b.Context(), "backups/object", 0, -1)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		if err != nil || n != benchSize {
			b.Fatalf("got %d bytes, %v", n, err)
		}
		r.Close()
	}
}
