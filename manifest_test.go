package holdfast

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// sound returns a manifest in order.
func sound() Manifest {
	sum := strings.Repeat("ab", 32)
	started := time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)
	return Manifest{
		Format: ManifestFormat, Ref: Ref{"web1", "crm", "20251028T140000Z-9f3c2a7d"},
		Started: started, HostStarted: started.Add(time.Second), HostFinished: started.Add(time.Minute), Pusher: "1.0.0",
		Streams: []Stream{{
			Name: "crm", File: "crm.sql.zst.age", PlainFile: "crm.sql", Source: Facts{Kind: "postgres", Stats: map[string]int64{"tables": 7}},
			PlainSize: 100, PlainSHA256: sum, StoredSize: 30, StoredSHA256: sum, Compression: "zstd",
			Encryption: Encryption{"age", []string{"age1a"}}, Checksum: ChecksumSHA256,
			Parts: []Part{{Number: 1, Size: 10, Sum: sum}, {Number: 2, Size: 20, Sum: sum}},
		}},
		Restore: []string{"age -d | zstd -d"},
	}
}

const fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"

func encode(t testing.TB, m Manifest) []byte {
	t.Helper()
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestManifestRoundTrip(t *testing.T) {
	got, err := DecodeManifest(encode(t, sound()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sound(), got); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
	if s, ok := got.Stream("crm"); !ok || s.File != "crm.sql.zst.age" || got.StoredSize() != 30 || got.PlainSize() != 100 {
		t.Errorf("got %+v, %d, %d", s, got.StoredSize(), got.PlainSize())
	}
}

func TestEveryEncryptionIsKnown(t *testing.T) {
	for _, e := range []Encryption{
		{Format: "none"}, {"age", []string{"age1a", "ssh-ed25519 AAAA"}}, {"age", []string{"passphrase"}},
		{"openpgp", []string{fingerprint}}, {"openpgp", []string{fingerprint + "/" + fingerprint, fingerprint}},
	} {
		m := sound()
		m.Streams[0].Encryption = e
		if err := m.Check(); err != nil {
			t.Errorf("%+v: %v", e, err)
		}
		if want := e.Format == "age" && e.Recipients[0] == "passphrase"; e.Passphrase() != want {
			t.Errorf("%+v: Passphrase is %v", e, !want)
		}
	}
}

func TestManifestCheckRefuses(t *testing.T) {
	stream := func(change func(*Stream)) func(*Manifest) {
		return func(m *Manifest) { change(&m.Streams[0]) }
	}
	tests := []struct {
		name   string
		change func(*Manifest)
	}{
		{"another format", func(m *Manifest) { m.Format = 2 }},
		{"no format", func(m *Manifest) { m.Format = 0 }},
		{"a host that climbs", func(m *Manifest) { m.Host = ".." }},
		{"a job that climbs", func(m *Manifest) { m.Job = "../x" }},
		{"no id", func(m *Manifest) { m.ID = "" }},
		{"a start that is not the id's", func(m *Manifest) { m.Started = m.Started.Add(time.Second) }},
		{"no streams", func(m *Manifest) { m.Streams = nil }},
		{"too many streams", func(m *Manifest) { m.Streams = make([]Stream, MaxStreams+1) }},
		{"a stream twice", func(m *Manifest) {
			m.Streams = append(m.Streams, m.Streams[0])
			m.Streams[1].File = "b"
		}},
		{"a file twice", func(m *Manifest) {
			m.Streams = append(m.Streams, m.Streams[0])
			m.Streams[1].Name = "b"
		}},
		{"a stream without a name", stream(func(s *Stream) { s.Name = "" })},
		{"a file that climbs", stream(func(s *Stream) { s.File = "../crm.sql" })},
		{"a file that is the manifest", stream(func(s *Stream) { s.File = ManifestFile })},
		{"a plain file that climbs", stream(func(s *Stream) { s.PlainFile = "../../etc/passwd" })},
		{"an empty plain stream", stream(func(s *Stream) { s.PlainSize = 0 })},
		{"an empty data object", stream(func(s *Stream) { s.StoredSize = 0 })},
		{"a sum in capitals", stream(func(s *Stream) { s.PlainSHA256 = strings.ToUpper(s.PlainSHA256) })},
		{"a short sum", stream(func(s *Stream) { s.StoredSHA256 = s.StoredSHA256[2:] })},
		{"an unknown compression", stream(func(s *Stream) { s.Compression = "" })},
		{"an unknown encryption", stream(func(s *Stream) { s.Encryption.Format = "rot13" })},
		{"a passphrase among recipients", stream(func(s *Stream) { s.Encryption.Recipients = []string{"passphrase", "age1a"} })},
		{"recipients of no encryption", stream(func(s *Stream) { s.Encryption.Format = "none" })},
		{"openpgp without recipients", stream(func(s *Stream) { s.Encryption = Encryption{Format: "openpgp"} })},
		{"openpgp with a name", stream(func(s *Stream) { s.Encryption = Encryption{"openpgp", []string{"web1@example.com"}} })},
		{"openpgp with half a fingerprint", stream(func(s *Stream) { s.Encryption = Encryption{"openpgp", []string{fingerprint[:16]}} })},
		{"openpgp with small letters", stream(func(s *Stream) { s.Encryption = Encryption{"openpgp", []string{strings.ToLower(fingerprint)}} })},
		{"openpgp without the second fingerprint", stream(func(s *Stream) { s.Encryption = Encryption{"openpgp", []string{fingerprint + "/"}} })},
		{"openpgp with three fingerprints", stream(func(s *Stream) {
			s.Encryption = Encryption{"openpgp", []string{fingerprint + "/" + fingerprint + "/" + fingerprint}}
		})},
		{"an unknown checksum", stream(func(s *Stream) { s.Checksum = "crc32" })},
		{"no parts", stream(func(s *Stream) { s.Parts = nil })},
		{"a gap in the parts", stream(func(s *Stream) { s.Parts[1].Number = 3 })},
		{"parts out of order", stream(func(s *Stream) { s.Parts[0], s.Parts[1] = s.Parts[1], s.Parts[0] })},
		{"an empty part", stream(func(s *Stream) { s.Parts[0].Size, s.Parts[1].Size = 0, 30 })},
		{"a negative part", stream(func(s *Stream) { s.Parts[0].Size, s.Parts[1].Size = -10, 40 })},
		{"an oversized part", stream(func(s *Stream) { s.Parts[1].Size = MaxPartSize + 1; s.StoredSize = MaxPartSize + 11 })},
		{"parts that do not add up", stream(func(s *Stream) { s.Parts[1].Size++ })},
		{"a part without a sum", stream(func(s *Stream) { s.Parts[0].Sum = "" })},
		{"a part with a sum of another kind", stream(func(s *Stream) { s.Parts[0].Sum = strings.Repeat("ab", 16) })},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := sound()
			test.change(&m)
			if m.Check() == nil {
				t.Error("Check returned no error")
			}
			if _, err := DecodeManifest(encode(t, m)); err == nil {
				t.Error("DecodeManifest returned no error")
			}
		})
	}
}

func TestDecodeManifestRefuses(t *testing.T) {
	text := string(encode(t, sound()))
	for _, test := range []struct{ name, text string }{
		{"nothing", ""},
		{"null", "null"},
		{"a list", "[]"},
		{"an unknown field", strings.Replace(text, `{"format":1`, `{"extra":1,"format":1`, 1)},
		{"an unknown field of a part", strings.Replace(text, `{"n":1`, `{"x":1,"n":1`, 1)},
		{"something after it", text + "{}"},
		{"half of it", text[:len(text)/2]},
		{"the next format", strings.Replace(text, `"format":1`, `"format":2`, 1)},
		{"a size that is no whole number", strings.Replace(text, `"plain_size":100`, `"plain_size":100.5`, 1)},
		{"more than fits", strings.Repeat(" ", MaxManifestSize) + text},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.text == text {
				t.Fatal("changes nothing")
			}
			if m, err := DecodeManifest([]byte(test.text)); err == nil {
				t.Errorf("got %+v", m)
			}
		})
	}
	if _, err := DecodeManifest([]byte(text + "\n")); err != nil {
		t.Errorf("a newline at the end: %v", err)
	}
}

// A whole cut in any way into parts is accepted, and refused after any part of
// it has changed in number or size.
func TestCheckPartsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var parts []Part
		var size int64
		for i := range rapid.IntRange(1, 20).Draw(t, "parts") {
			p := Part{Number: i + 1, Size: rapid.Int64Range(1, MaxPartSize).Draw(t, "size"), Sum: strings.Repeat("0f", 16)}
			parts, size = append(parts, p), size+p.Size
		}
		if err := CheckParts(parts, ChecksumMD5, size); err != nil {
			t.Fatal(err)
		}
		i := rapid.IntRange(0, len(parts)-1).Draw(t, "changed")
		delta := rapid.SampledFrom([]int{-1, 1}).Draw(t, "delta")
		was := parts[i]
		parts[i].Size += int64(delta)
		if CheckParts(parts, ChecksumMD5, size) == nil {
			t.Fatalf("accepted with part %d of another size", i+1)
		}
		parts[i] = was
		parts[i].Number += delta
		if CheckParts(parts, ChecksumMD5, size) == nil {
			t.Fatalf("accepted with part %d of another number", i+1)
		}
	})
}

func FuzzDecodeManifest(f *testing.F) {
	text := string(encode(f, sound()))
	f.Add([]byte(text))
	f.Add([]byte(strings.Replace(text, `"format":1`, `"format":2`, 1)))
	f.Add([]byte(strings.Replace(text, "crm.sql", "../crm.sql", 1)))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeManifest(data)
		if err != nil {
			return
		}
		if again, err := DecodeManifest(encode(t, m)); err != nil || !cmp.Equal(m, again) {
			t.Errorf("reads differently when written again: %v", err)
		}
		for _, s := range m.Streams {
			if _, _, ok := ParseKey(m.Key(s.File)); !ok {
				t.Errorf("file %q: no key", s.File)
			}
		}
	})
}
