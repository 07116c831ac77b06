package stream

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"filippo.io/age"
)

// sqlLike returns n bytes that look like a plain pg_dump: COPY blocks of rows
// with numbers, names, mail addresses, times and some prose.
func sqlLike(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 4000)
	for i := range words {
		w := make([]byte, 2+r.IntN(9))
		for j := range w {
			w[j] = "etaoinshrdlucmfwypvbgkjqxz"[min(r.IntN(26), r.IntN(26))]
		}
		words[i] = string(w)
	}
	word := func() string { return words[min(r.IntN(len(words)), r.IntN(len(words)))] }
	var b bytes.Buffer
	b.Grow(n + 1024)
	for id, table := 1, 0; b.Len() < n; table++ {
		fmt.Fprintf(&b, "COPY public.t%d (id, customer_id, name, email, status, total, created_at, note) FROM stdin;\n", table)
		for row := 0; row < 20_000 && b.Len() < n; row++ {
			name := word()
			fmt.Fprintf(&b, "%d\t%d\t%s %s\t%s.%d@example.com\t%s\t%d.%02d\t2025-%02d-%02d %02d:%02d:%02d.%06d+00\t",
				id, r.IntN(90_000), name, word(), name, r.IntN(1000),
				[]string{"open", "paid", "shipped", "cancelled"}[r.IntN(4)], r.IntN(500), r.IntN(100),
				1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1_000_000))
			for range r.IntN(12) {
				b.WriteString(word())
				b.WriteByte(' ')
			}
			b.WriteString("\\N\n")
			id++
		}
		b.WriteString("\\.\n\n")
	}
	return b.Bytes()[:n]
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

const benchSize = 64 << 20

func benchData() map[string][]byte {
	return map[string][]byte{"sql": sqlLike(benchSize), "random": randomBytes(benchSize)}
}

// benchRecipient is a key of its own, so that the recipient's part is measured too.
func benchIdentity(b *testing.B) *age.X25519Identity {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		b.Fatal(err)
	}
	return id
}

// feed writes data in the portions that a pipe yields.
func feed(b *testing.B, w io.Writer, data []byte) {
	for len(data) > 0 {
		n := min(len(data), 64<<10)
		if _, err := w.Write(data[:n]); err != nil {
			b.Fatal(err)
		}
		data = data[n:]
	}
}

// benchKinds are the ways to encrypt, with what undoes them.
func benchKinds(b *testing.B) map[string]struct {
	to  Recipients
	ids Identities
} {
	id := benchIdentity(b)
	pgp, ids, _ := keyPair(b)
	return map[string]struct {
		to  Recipients
		ids Identities
	}{
		"age":     {to(id), Identities{Age: []age.Identity{id}}},
		"openpgp": {pgp, ids},
	}
}

func BenchmarkEncoder(b *testing.B) {
	kinds := benchKinds(b)
	for kind, data := range benchData() {
		b.Run("sha256/"+kind, func(b *testing.B) {
			b.SetBytes(benchSize)
			for b.Loop() {
				sha256.Sum256(data)
			}
		})
		for _, o := range []struct {
			name string
			Options
		}{
			{"none", Options{Compression: None}},
			{"age", Options{Compression: None, Recipients: kinds["age"].to}},
			{"openpgp", Options{Compression: None, Recipients: kinds["openpgp"].to}},
			{"gzip", Options{Compression: Gzip}},
			{"zstd", Options{Compression: Zstd}},
			{"zstd+age", Options{Compression: Zstd, Recipients: kinds["age"].to}},
			{"zstd+openpgp", Options{Compression: Zstd, Recipients: kinds["openpgp"].to}},
		} {
			b.Run(o.name+"/"+kind, func(b *testing.B) {
				b.SetBytes(benchSize)
				b.ReportAllocs()
				var sums Sums
				for b.Loop() {
					e, err := NewEncoder(io.Discard, o.Options)
					if err != nil {
						b.Fatal(err)
					}
					feed(b, e, data)
					if err := e.Close(); err != nil {
						b.Fatal(err)
					}
					sums = e.Sums()
				}
				b.ReportMetric(float64(sums.PlainSize)/float64(sums.StoredSize), "ratio")
			})
		}
	}
}

func BenchmarkDecoder(b *testing.B) {
	kinds := benchKinds(b)
	for kind, data := range benchData() {
		for _, compression := range []string{Zstd, Gzip, None} {
			for encryption, with := range kinds {
				b.Run(compression+"+"+encryption+"/"+kind, func(b *testing.B) {
					o := Options{Compression: compression, Recipients: with.to}
					var stored bytes.Buffer
					e, err := NewEncoder(&stored, o)
					if err != nil {
						b.Fatal(err)
					}
					feed(b, e, data)
					if err := e.Close(); err != nil {
						b.Fatal(err)
					}
					s := describe(e.Sums(), o)
					b.SetBytes(benchSize)
					b.ReportAllocs()
					for b.Loop() {
						d, err := NewDecoder(bytes.NewReader(stored.Bytes()), s, with.ids)
						if err != nil {
							b.Fatal(err)
						}
						if _, err := io.Copy(io.Discard, d); err != nil {
							b.Fatal(err)
						}
						d.Close()
					}
				})
			}
		}
	}
}
