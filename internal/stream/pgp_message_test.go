package stream

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"pgregory.net/rapid"

	"github.com/holdfast-backup/holdfast"
)

// keyPair is an OpenPGP key as recipients and as identities.
func keyPair(t testing.TB) (Recipients, Identities, *openpgp.Entity) {
	t.Helper()
	e, public := made(t, packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	var secret bytes.Buffer
	if err := e.SerializePrivateWithoutSigning(&secret, nil); err != nil {
		t.Fatal(err)
	}
	return toKeys(t, public), secretKeys(t, secret.Bytes(), ""), e
}

func TestWhatIsEncryptedToOpenPGPComesBack(t *testing.T) {
	to, ids, _ := keyPair(t)
	for _, method := range methods {
		for name, plain := range map[string][]byte{
			"nothing": {}, "one byte": {1}, "a piece": randomBytes(pieceSize), "a byte more": randomBytes(pieceSize + 1),
			"sql": sqlLike(3 << 20), "random": randomBytes(5<<20 + 1), "zeros": make([]byte, 6<<20),
		} {
			stored, s := encode(t, plain, Options{Compression: method, Recipients: to})
			for _, r := range []io.Reader{bytes.NewReader(stored), iotest.HalfReader(bytes.NewReader(stored)), iotest.DataErrReader(bytes.NewReader(stored))} {
				if got, err := decodeWith(r, s, ids); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%s, %s: got %d bytes, %v; want the %d", method, name, len(got), err, len(plain))
				}
			}
		}
	}
}

// envelopeLength returns how many bytes the one session key of a message takes.
func envelopeLength(message []byte) int { return 2 + int(message[1]) }

// The manifest is of no help here: it describes the bytes as they are. Some bits
// of an encrypted session key do not matter to anybody who decrypts it, such as
// the length in bits of a number whose bytes are there; the data is then the same.
func TestAnyChangeOfAMessageIsCorrupt(t *testing.T) {
	to, ids, _ := keyPair(t)
	for _, plain := range [][]byte{[]byte("plain"), randomBytes(150_000)} {
		stored, s := encode(t, plain, Options{Compression: None, Recipients: to})
		envelope := envelopeLength(stored)
		corrupt := func(t interface{ Errorf(string, ...any) }, bad []byte, how string, at int) {
			s.StoredSize, s.StoredSHA256 = int64(len(bad)), sum(bad)
			_, err := decodeWith(bytes.NewReader(bad), s, ids)
			if err == nil && len(bad) == len(stored) && bytes.Equal(bad[envelope:], stored[envelope:]) {
				return
			}
			if !errors.Is(err, holdfast.ErrCorrupt) {
				t.Errorf("%d of %d bytes %s: got %v, want holdfast.ErrCorrupt", at, len(stored), how, err)
			}
		}
		for at := range min(len(stored), 200) {
			corrupt(t, stored[:at], "kept", at)
			corrupt(t, stored[:len(stored)-1-at], "kept", len(stored)-1-at)
			for bit := range 8 {
				bad := slices.Clone(stored)
				bad[at] ^= 1 << bit
				corrupt(t, bad, "altered", at)
			}
		}
		rapid.Check(t, func(t *rapid.T) {
			bad := slices.Clone(stored)
			at := rapid.IntRange(0, len(bad)-1).Draw(t, "at")
			how := rapid.SampledFrom([]string{"altered", "cut", "extended", "removed"}).Draw(t, "how")
			switch how {
			case "altered":
				bad[at] ^= rapid.ByteRange(1, 255).Draw(t, "by")
			case "cut":
				bad = bad[:at]
			case "extended":
				bad = append(bad, rapid.SliceOfN(rapid.Byte(), 1, 100_000).Draw(t, "more")...)
			case "removed":
				if bad = slices.Delete(bad, at, at+1); bytes.Equal(bad, stored[:len(bad)]) {
					return
				}
			}
			corrupt(t, bad, how, at)
		})
	}
}

func TestOpenPGPKeysThatDoNotFit(t *testing.T) {
	to, own, _ := keyPair(t)
	_, other, _ := keyPair(t)
	stored, s := encode(t, []byte("plain"), Options{Compression: None, Recipients: to})
	for name, ids := range map[string]Identities{"another key": other, "an age identity": {Age: []age.Identity{identity(t)}}, "none": {}} {
		if _, err := decodeWith(bytes.NewReader(stored), s, ids); !errors.Is(err, ErrNoIdentity) || errors.Is(err, holdfast.ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrNoIdentity", name, err)
		}
	}
	bad := slices.Clone(stored)
	bad[envelopeLength(bad)-5] ^= 1
	unlisted := s
	unlisted.Encryption.Recipients = nil
	if _, err := decodeWith(bytes.NewReader(bad), unlisted, own); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("a damaged session key that the manifest does not speak of: got %v, want holdfast.ErrCorrupt", err)
	}
	s.Encryption.Format = "age"
	if _, err := decodeWith(bytes.NewReader(stored), s, other); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("an OpenPGP key for what is said to be age: got %v", err)
	}
}

// crafted returns a message of a session key and what write puts inside the
// encryption.
func crafted(t testing.TB, e *openpgp.Entity, write func(w io.WriteCloser)) []byte {
	t.Helper()
	var b bytes.Buffer
	session := make([]byte, 32)
	if err := packet.SerializeEncryptedKeyAEAD(&b, e.Subkeys[0].PublicKey, packet.CipherAES256, false, session, nil); err != nil {
		t.Fatal(err)
	}
	w, err := packet.SerializeSymmetricallyEncrypted(&b, packet.CipherAES256, false, packet.CipherSuite{}, session, nil)
	if err != nil {
		t.Fatal(err)
	}
	write(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unclosed lets a packet end and not what it is in.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

func literal(t testing.TB, w io.Writer, text string, binary bool) {
	t.Helper()
	l, err := packet.SerializeLiteral(unclosed{w}, binary, "name", 0)
	if err == nil {
		_, err = io.WriteString(l, text)
	}
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestHostileMessages(t *testing.T) {
	to, ids, e := keyPair(t)
	good, s := encode(t, []byte("plain"), Options{Compression: None, Recipients: to})
	envelope := good[:envelopeLength(good)]
	one := func(tag byte, body ...byte) []byte { return append([]byte{0xc0 | tag, byte(len(body))}, body...) }
	huge := append([]byte{0xc1, 255, 0xff, 0xff, 0xff, 0xff}, 3)
	if again := crafted(t, e, func(w io.WriteCloser) { literal(t, w, "plain", true) }); !intact(again, s, ids) {
		t.Fatal("what the others are variants of is not read")
	}
	for _, tt := range []struct {
		name, want string
		data       []byte
	}{
		{"nothing", "EOF", nil},
		{"text", "no OpenPGP packet", []byte("plain")},
		{"data without protection", "not protected", append(slices.Clone(envelope), one(tagUnprotected, make([]byte, 60)...)...)},
		{"data with AEAD", "AEAD", append(slices.Clone(envelope), one(tagAEAD, make([]byte, 60)...)...)},
		{"data of another version", "unknown way 2", append(slices.Clone(envelope), one(tagProtected, append([]byte{2}, make([]byte, 60)...)...)...)},
		{"data that is empty", "EOF", append(slices.Clone(envelope), one(tagProtected)...)},
		{"data that is not encrypted", "type 11", one(tagLiteral, []byte("b\x00\x00\x00\x00\x00plain")...)},
		{"data that is compressed and not encrypted", "type 8", one(tagCompressed, 0)},
		{"a user id without end", "type 13", append([]byte{0xc0 | 13, 254}, make([]byte, 1000)...)},
		{"a session key in pieces", "too large", append([]byte{0xc1, 224 + 9}, make([]byte, 600)...)},
		{"a session key of 4 GiB", "too large", huge},
		{"a packet of unknown length", "without a length", []byte{0x80 | 1<<2 | 3, 3}},
		{"many recipients", "recipients", bytes.Repeat(one(tagSessionKey, 3, 1, 2, 3, 4, 5, 6, 7, 8, 99), holdfast.MaxRecipients+1)},
		{"nothing but recipients", "EOF", bytes.Repeat(envelope, 3)},
		{"a literal in text mode", "text", crafted(t, e, func(w io.WriteCloser) { literal(t, w, "plain", false) })},
		{"two literals", "something follows", crafted(t, e, func(w io.WriteCloser) { literal(t, w, "plain", true); literal(t, w, "more", true) })},
		{"garbage behind the literal", "something follows", crafted(t, e, func(w io.WriteCloser) { literal(t, w, "plain", true); w.Write([]byte{0}) })},
		{"nothing inside", "EOF", crafted(t, e, func(io.WriteCloser) {})},
		{"a message behind the message", "something follows", slices.Concat(good, good)},
		{"compression inside compression", "compressed", crafted(t, e, func(w io.WriteCloser) {
			outer, err := packet.SerializeCompressed(unclosed{w}, packet.CompressionZIP, nil)
			if err != nil {
				t.Fatal(err)
			}
			inner, err := packet.SerializeCompressed(outer, packet.CompressionZIP, nil)
			if err != nil {
				t.Fatal(err)
			}
			literal(t, inner, strings.Repeat("plain", 10_000), true)
			inner.Close()
		})},
	} {
		s.StoredSize, s.StoredSHA256 = int64(len(tt.data)), sum(tt.data)
		got, err := decodeWith(bytes.NewReader(tt.data), s, ids)
		if !errors.Is(err, holdfast.ErrCorrupt) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %q, %v; want holdfast.ErrCorrupt and %q", tt.name, got, err, tt.want)
		}
	}
}

// intact reports whether the message decrypts to the plain stream of s.
func intact(stored []byte, s holdfast.Stream, ids Identities) bool {
	s.StoredSize, s.StoredSHA256 = int64(len(stored)), sum(stored)
	_, err := decodeWith(bytes.NewReader(stored), s, ids)
	return err == nil
}

// noise never ends and does not compress.
type noise struct{ block []byte }

func (n noise) Read(p []byte) (int, error) { return copy(p, n.block), nil }

// heapWriter notes how large the heap becomes while it is written to.
type heapWriter struct {
	io.Writer
	since, largest uint64
}

func (h *heapWriter) Write(p []byte) (int, error) {
	if h.since += uint64(len(p)); h.since > 16<<20 {
		h.since = 0
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		h.largest = max(h.largest, m.HeapInuse)
	}
	return h.Writer.Write(p)
}

func TestMemoryStaysTheSameHoweverLongTheStream(t *testing.T) {
	to, ids, _ := keyPair(t)
	const size, limit = 512 << 20, 64 << 20
	var plain, stored = newMeter(), newMeter()
	source := func() io.Reader { return io.LimitReader(noise{randomBytes(1 << 20)}, size) }
	encodeTo := func(w io.Writer) {
		e, err := NewEncoder(w, Options{Compression: None, Recipients: to})
		if err == nil {
			_, err = io.Copy(e, source())
		}
		if err == nil {
			err = e.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}
	io.Copy(meterWriter{&plain}, source())
	r, w := io.Pipe()
	go func() {
		encodeTo(io.MultiWriter(w, meterWriter{&stored}))
		w.Close()
	}()
	// The session key is another each time, so the sums of the stored bytes are
	// known only behind them; openMessage is what is measured.
	opened, err := openMessage(r, nil, ids.OpenPGP)
	if err != nil {
		t.Fatal(err)
	}
	got := newMeter()
	heap := &heapWriter{Writer: meterWriter{&got}}
	if _, err := io.Copy(heap, opened); err != nil {
		t.Fatal(err)
	}
	if got.size != size || got.sum() != plain.sum() {
		t.Errorf("got %d bytes, want the %d", got.size, size)
	}
	if heap.largest == 0 || heap.largest > limit {
		t.Errorf("the heap was %d bytes, want at most %d", heap.largest, limit)
	}
	t.Logf("%d bytes of heap for %d", heap.largest, stored.size)
}

type meterWriter struct{ *meter }

func (m meterWriter) Write(p []byte) (int, error) { m.add(p); return len(p), nil }
