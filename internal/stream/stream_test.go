package stream

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	"filippo.io/age"
	"github.com/holdfast-backup/holdfast"
	"pgregory.net/rapid"
)

var methods = []string{Zstd, Gzip, None}

func identity(t testing.TB) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// encode returns what is stored for plain, and its description.
func encode(t testing.TB, plain []byte, o Options) ([]byte, holdfast.Stream) {
	t.Helper()
	var stored bytes.Buffer
	e, err := NewEncoder(&stored, o)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := range slices.Chunk(plain, 100_003) {
		if _, err := e.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return stored.Bytes(), describe(e.Sums(), o)
}

func describe(sums Sums, o Options) holdfast.Stream {
	s := holdfast.Stream{
		Name: "db", Compression: o.Compression,
		PlainSize: sums.PlainSize, PlainSHA256: sums.PlainSHA256,
		StoredSize: sums.StoredSize, StoredSHA256: sums.StoredSHA256,
	}
	s.Encryption = o.Recipients.Encryption()
	return s
}

// to returns the identity as recipient.
func to(id *age.X25519Identity) Recipients {
	return ageRecipients([]string{id.Recipient().String()}, id.Recipient())
}

func decode(stored io.Reader, s holdfast.Stream, ids ...age.Identity) ([]byte, error) {
	return decodeWith(stored, s, Identities{Age: ids})
}

func decodeWith(stored io.Reader, s holdfast.Stream, ids Identities) ([]byte, error) {
	d, err := NewDecoder(stored, s, ids)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return io.ReadAll(d)
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func TestWhatIsEncodedComesBack(t *testing.T) {
	id := identity(t)
	for _, method := range methods {
		for _, recipients := range []Recipients{{}, to(id)} {
			for name, plain := range map[string][]byte{
				"nothing":  {},
				"one byte": {1},
				"sql":      sqlLike(3 << 20),
				"random":   randomBytes(5<<20 + 1),
				"zeros":    make([]byte, 6<<20),
			} {
				t.Run(fmt.Sprintf("%s%s/%s", method, recipients.extension(), name), func(t *testing.T) {
					stored, s := encode(t, plain, Options{Compression: method, Recipients: recipients})
					if s.PlainSize != int64(len(plain)) || s.PlainSHA256 != sum(plain) || s.StoredSize != int64(len(stored)) || s.StoredSHA256 != sum(stored) {
						t.Errorf("sums %+v are not those of the bytes", s)
					}
					_, err := decode(iotest.OneByteReader(bytes.NewReader(stored[:min(len(stored), 1<<12)])), s, id)
					if len(stored) > 1<<12 && !errors.Is(err, holdfast.ErrCorrupt) {
						t.Errorf("first 4 KiB: got %v", err)
					}
					got, err := decode(bytes.NewReader(stored), s, id)
					if err != nil || !bytes.Equal(got, plain) {
						t.Errorf("got %d bytes, %v; want the %d", len(got), err, len(plain))
					}
				})
			}
		}
	}
}

func TestAnyOtherStoredStreamIsAnError(t *testing.T) {
	id := identity(t)
	plain := sqlLike(70_000)
	for _, method := range methods {
		for _, recipients := range []Recipients{{}, to(id)} {
			stored, s := encode(t, plain, Options{Compression: method, Recipients: recipients})
			t.Run(method+recipients.extension(), func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					bad := slices.Clone(stored)
					at := rapid.IntRange(0, len(bad)-1).Draw(t, "at")
					switch rapid.SampledFrom([]string{"altered", "truncated", "extended", "inserted"}).Draw(t, "how") {
					case "altered":
						bad[at] ^= rapid.ByteRange(1, 255).Draw(t, "by")
					case "truncated":
						bad = bad[:at]
					case "extended":
						bad = append(bad, rapid.SliceOfN(rapid.Byte(), 1, 100_000).Draw(t, "more")...)
					case "inserted":
						bad = slices.Insert(bad, at, rapid.Byte().Draw(t, "byte"))
						if bytes.Equal(bad[:len(stored)], stored) {
							return
						}
					}
					if _, err := decode(bytes.NewReader(bad), s, id); err == nil {
						t.Fatal("no error")
					}
				})
			})
		}
	}
}

func TestWhatTheManifestDoesNotSayIsCorrupt(t *testing.T) {
	plain := sqlLike(100_000)
	twice, _ := encode(t, plain, Options{Compression: Zstd})
	for _, method := range methods {
		stored, s := encode(t, plain, Options{Compression: method})
		for name, spoil := range map[string]func(*holdfast.Stream){
			"another plain hash":       func(s *holdfast.Stream) { s.PlainSHA256 = sum(nil) },
			"another stored hash":      func(s *holdfast.Stream) { s.StoredSHA256 = sum(nil) },
			"a smaller plain size":     func(s *holdfast.Stream) { s.PlainSize-- },
			"a larger plain size":      func(s *holdfast.Stream) { s.PlainSize++ },
			"a smaller stored size":    func(s *holdfast.Stream) { s.StoredSize-- },
			"a larger stored size":     func(s *holdfast.Stream) { s.StoredSize++ },
			"a stream without a size":  func(s *holdfast.Stream) { s.PlainSize = 0 },
			"a stored size of nothing": func(s *holdfast.Stream) { s.StoredSize = 0 },
		} {
			t.Run(method+"/"+name, func(t *testing.T) {
				s := s
				spoil(&s)
				got, err := decode(bytes.NewReader(stored), s)
				if !errors.Is(err, holdfast.ErrCorrupt) || int64(len(got)) > s.PlainSize {
					t.Errorf("got %d bytes, %v; want holdfast.ErrCorrupt", len(got), err)
				}
			})
		}
	}
	t.Run("a second frame behind the first", func(t *testing.T) {
		two := append(slices.Clone(twice), twice...)
		s := describe(Sums{int64(len(plain)), sum(plain), int64(len(two)), sum(two)}, Options{Compression: Zstd})
		if _, err := decode(bytes.NewReader(two), s); !errors.Is(err, holdfast.ErrCorrupt) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheReadersOwnErrorIsNotCorruption(t *testing.T) {
	id := identity(t)
	reset := errors.New("connection reset")
	for _, method := range methods {
		for _, at := range []int{0, 10, 70_000} {
			stored, s := encode(t, randomBytes(300_000), Options{Compression: method, Recipients: to(id)})
			r := io.MultiReader(bytes.NewReader(stored[:at]), iotest.ErrReader(reset))
			if _, err := decode(r, s, id); !errors.Is(err, reset) || errors.Is(err, holdfast.ErrCorrupt) {
				t.Errorf("%s, after %d bytes: got %v, want the reader's error", method, at, err)
			}
		}
	}
}

func TestIdentitiesThatDoNotFit(t *testing.T) {
	stored, s := encode(t, []byte("plain"), Options{Compression: None, Recipients: to(identity(t))})
	_, err := decode(bytes.NewReader(stored), s, identity(t))
	if !errors.Is(err, ErrNoIdentity) || errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("another identity: got %v", err)
	}
	if _, err := decode(bytes.NewReader(stored), s); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("no identity: got %v", err)
	}
}

// failingWriter takes n bytes and then fails.
type failingWriter struct{ n int }

var errDisk = errors.New("disk full")

func (f *failingWriter) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func TestEncoderFailsWhenItsWriterFails(t *testing.T) {
	id := identity(t)
	for _, method := range methods {
		for _, room := range []int{1000, 1 << 20, 3 << 20} {
			e, err := NewEncoder(&failingWriter{room}, Options{Compression: method, Recipients: to(id)})
			if err != nil {
				t.Fatal(err)
			}
			for chunk := range slices.Chunk(randomBytes(4<<20), 64<<10) {
				if _, err = e.Write(chunk); err != nil {
					break
				}
			}
			if got := e.Close(); !errors.Is(got, errDisk) || err != nil && !errors.Is(err, errDisk) {
				t.Errorf("%s, room for %d: got %v and %v, want both the writer's error", method, room, err, got)
			}
			if _, err := e.Write([]byte("x")); err == nil {
				t.Errorf("%s: writing after Close: no error", method)
			}
		}
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for _, o := range []Options{{}, {Compression: "xz"}, {Compression: Zstd, Level: 20}, {Compression: Gzip, Level: 10}, {Compression: Zstd, Level: -1}} {
		if _, err := NewEncoder(io.Discard, o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

func TestEveryLevelComesBack(t *testing.T) {
	plain := sqlLike(200_000)
	for method, highest := range map[string]int{Zstd: 19, Gzip: 9} {
		for level := 1; level <= highest; level++ {
			stored, s := encode(t, plain, Options{Compression: method, Level: level})
			if got, err := decode(bytes.NewReader(stored), s); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%s -%d: %v", method, level, err)
			}
		}
	}
}

func TestExtension(t *testing.T) {
	age, pgp := to(identity(t)), Recipients{format: holdfast.EncryptionOpenPGP}
	for _, tt := range []struct {
		compression string
		recipients  Recipients
		want        string
	}{
		{Zstd, age, ".zst.age"}, {Gzip, age, ".gz.age"}, {None, age, ".age"},
		{Zstd, pgp, ".zst.gpg"}, {Gzip, pgp, ".gz.gpg"}, {None, pgp, ".gpg"},
		{Zstd, Recipients{}, ".zst"}, {Gzip, Recipients{}, ".gz"}, {None, Recipients{}, ""},
	} {
		if got := (Options{Compression: tt.compression, Recipients: tt.recipients}).Extension(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.compression, got, tt.want)
		}
	}
}

// TestTheToolsReadIt holds the promise that a restore needs no Holdfast.
func TestTheToolsReadIt(t *testing.T) {
	dir := t.TempDir()
	id, plain := identity(t), sqlLike(9<<20)
	key, ssh := filepath.Join(dir, "key"), filepath.Join(dir, "id_ed25519")
	if err := os.WriteFile(key, []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "root@web1", "-f", ssh).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	public, err := os.ReadFile(ssh + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	recipients, err := ParseRecipients([]string{id.Recipient().String(), string(public)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ compression, command string }{
		{Zstd, "age -d -i " + key + " stored | zstd -d -q -c"},
		{Zstd, "age -d -i " + ssh + " stored | zstd -d -q -c"},
		{Gzip, "age -d -i " + key + " stored | gzip -d -c"},
		{None, "age -d -i " + key + " stored"},
	} {
		stored, _ := encode(t, plain, Options{Compression: tt.compression, Recipients: recipients})
		if err := os.WriteFile(filepath.Join(dir, "stored"), stored, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("bash", "-o", "pipefail", "-ec", tt.command)
		cmd.Dir = dir
		got, err := cmd.Output()
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %v, got %d bytes, want the %d", tt.command, err, len(got), len(plain))
		}
	}
}
