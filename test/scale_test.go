package test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// BenchmarkAThousandJobs times whole commands on a disk vault of 1,000 jobs with
// 50 nightly backups each: the monitor when it sees the vault for the first time,
// when it knows it, and retention.
func BenchmarkAThousandJobs(b *testing.B) {
	const hosts, jobs, backups = 10, 100, 50
	s := &site{dir: b.TempDir()}
	s.vault, s.config = filepath.Join(s.dir, "vault"), filepath.Join(s.dir, "holdfast.yaml")
	names := make([]string, jobs)
	for j := range jobs {
		names[j] = fmt.Sprintf("job-%02d", j)
	}
	var config strings.Builder
	fmt.Fprintf(&config, "vaults: { main: { disk: { path: %s } } }\nhosts:\n", s.vault)
	for h := range hosts {
		key, err := token.GenerateKey()
		if err != nil {
			b.Fatal(err)
		}
		host := fmt.Sprintf("host-%d", h)
		fillHost(b, s.vault, host, names, backups, key)
		fmt.Fprintf(&config, "  %s: { key: %q, jobs: [%s] }\n", host, holdfast.FormatPublicKey(key.Public().(ed25519.PublicKey)), strings.Join(names, ", "))
	}
	config.WriteString("jobs:\n")
	for _, name := range names {
		fmt.Fprintf(&config, "  %s: { keep: { all: 7d, daily: 60d } }\n", name)
	}
	put(b, s.config, config.String())
	for _, c := range []struct{ name, command string }{
		{"monitor, first sight", "monitor --dry-run"}, {"monitor, remembering", "monitor"}, {"clean", "clean"},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				command := exec.Command(filepath.Join(bin, "holdfast"), append([]string{"--config", s.config, "--json"}, strings.Fields(c.command)...)...)
				out, err := command.CombinedOutput()
				if n := bytes.Count(out, []byte(`"host": "host-9"`)); err != nil || n < jobs {
					b.Fatalf("%s: %v, %d jobs of host-9\n%.2000s", c.command, err, n, out)
				}
			}
		})
	}
}

// fillHost writes the backups of one host, the newest an hour old.
func fillHost(b *testing.B, vault, host string, jobs []string, backups int, key ed25519.PrivateKey) {
	b.Helper()
	now := time.Now().Add(-time.Hour)
	data := bytes.Repeat([]byte("dump\n"), 200)
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	for _, job := range jobs {
		for i := range backups {
			id, err := holdfast.NewID(now.AddDate(0, 0, -i), bytes.NewReader([]byte{1, 2, 3, byte(i)}))
			if err != nil {
				b.Fatal(err)
			}
			ref := holdfast.Ref{Host: host, Job: job, ID: id}
			doc, err := token.SignManifest(key, holdfast.Manifest{
				Format: holdfast.ManifestFormat, Ref: ref, Started: id.Time(), HostStarted: id.Time(), HostFinished: id.Time(), Pusher: "bench",
				Streams: []holdfast.Stream{{
					Name: job, File: job + ".sql.zst.age", PlainFile: job + ".sql", Source: holdfast.Facts{Kind: "postgres"},
					PlainSize: 5000, PlainSHA256: sum, StoredSize: int64(len(data)), StoredSHA256: sum, Compression: "zstd",
					Encryption: holdfast.Encryption{Format: "none"}, Checksum: holdfast.ChecksumSHA256,
					Parts: []holdfast.Part{{Number: 1, Size: int64(len(data)), Sum: sum}},
				}},
			})
			if err != nil {
				b.Fatal(err)
			}
			put(b, filepath.Join(vault, ref.ManifestKey()), string(doc))
			put(b, filepath.Join(vault, ref.Key(job+".sql.zst.age")), string(data))
		}
	}
}

func put(b *testing.B, path, text string) {
	b.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}
