package push

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"filippo.io/age"
	"github.com/holdfast-backup/holdfast/internal/stream"
)

// rows returns about n bytes of rows as a dump has them.
func rows(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for id := 1; b.Len() < n; id++ {
		fmt.Fprintf(&b, "%d\t%d\tcustomer %d\tuser%d@example.com\t%d.%02d\t2025-%02d-%02d %02d:%02d:%02d+00\t\\N\n",
			id, r.IntN(90_000), r.IntN(5000), r.IntN(100_000), r.IntN(500), r.IntN(100),
			1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60))
	}
	return b.Bytes()
}

// BenchmarkRun is a whole run, compressed and encrypted, to a store on loopback
// in the same process.
func BenchmarkRun(b *testing.B) {
	const total = 256 << 20
	block := rows(16 << 20)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		b.Fatal(err)
	}
	recipients, err := stream.ParseRecipients([]string{identity.Recipient().String()})
	if err != nil {
		b.Fatal(err)
	}
	job := testJob(b, &fakeSource{file: "crm.sql", dump: func(_ context.Context, w io.Writer) error {
		for n := 0; n < total; n += 64 << 10 {
			at := n % (len(block) - 64<<10)
			if _, err := w.Write(block[at : at+64<<10]); err != nil {
				return err
			}
		}
		return nil
	}})
	job.Options = stream.Options{Compression: stream.Zstd, Recipients: recipients}
	b.SetBytes(total)
	b.ReportAllocs()
	for b.Loop() {
		c := newCloud(b)
		c.discard = true
		if out := Run(b.Context(), job, c.deps(b)); out.Status != OK {
			b.Fatalf("got %+v", out)
		}
	}
}
