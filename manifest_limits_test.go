package holdfast

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestManifestIsRefusedBeyondItsLimits(t *testing.T) {
	many := func(n int, s string) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = s
		}
		return list
	}
	stats := func(n int) map[string]int64 {
		all := map[string]int64{}
		for i := range n {
			all[fmt.Sprint("stat-", i)] = 1
		}
		return all
	}
	long := func(n int) string { return strings.Repeat("a", n) }
	stream := func(change func(*Stream)) func(*Manifest) {
		return func(m *Manifest) { change(&m.Streams[0]) }
	}
	for name, c := range map[string]struct {
		fits, exceeds func(*Manifest)
	}{
		"lines of restore":       {func(m *Manifest) { m.Restore = many(MaxRestoreLines, "x") }, func(m *Manifest) { m.Restore = many(MaxRestoreLines+1, "") }},
		"a line of restore":      {func(m *Manifest) { m.Restore = many(1, long(MaxRestoreLine)) }, func(m *Manifest) { m.Restore = many(1, long(MaxRestoreLine+1)) }},
		"the pusher's version":   {func(m *Manifest) { m.Pusher = long(MaxWord) }, func(m *Manifest) { m.Pusher = long(MaxWord + 1) }},
		"recipients":             {stream(func(s *Stream) { s.Encryption.Recipients = many(MaxRecipients, "age1") }), stream(func(s *Stream) { s.Encryption.Recipients = many(MaxRecipients+1, "") })},
		"a recipient":            {stream(func(s *Stream) { s.Encryption.Recipients = many(1, long(MaxRecipient)) }), stream(func(s *Stream) { s.Encryption.Recipients = many(1, long(MaxRecipient+1)) })},
		"warnings":               {stream(func(s *Stream) { s.Source.Warnings = many(MaxWarnings, "w") }), stream(func(s *Stream) { s.Source.Warnings = many(MaxWarnings+1, "") })},
		"a warning":              {stream(func(s *Stream) { s.Source.Warnings = many(1, long(MaxWarning)) }), stream(func(s *Stream) { s.Source.Warnings = many(1, long(MaxWarning+1)) })},
		"warnings that were cut": {stream(func(s *Stream) { s.Source.WarningsCut = 1 << 40 }), stream(func(s *Stream) { s.Source.WarningsCut = -1 })},
		"statistics":             {stream(func(s *Stream) { s.Source.Stats = stats(MaxStats) }), stream(func(s *Stream) { s.Source.Stats = stats(MaxStats + 1) })},
		"a statistic":            {stream(func(s *Stream) { s.Source.Stats = map[string]int64{long(MaxWord): 1} }), stream(func(s *Stream) { s.Source.Stats = map[string]int64{long(MaxWord + 1): 1} })},
		"a kind":                 {stream(func(s *Stream) { s.Source.Kind = long(MaxWord) }), stream(func(s *Stream) { s.Source.Kind = long(MaxWord + 1) })},
		"an engine":              {stream(func(s *Stream) { s.Source.Engine = long(MaxWord) }), stream(func(s *Stream) { s.Source.Engine = long(MaxWord + 1) })},
		"a tool":                 {stream(func(s *Stream) { s.Source.Tool = "pg_dump für alle" }), stream(func(s *Stream) { s.Source.Tool = "\x1b[2J" })},
		"a format":               {stream(func(s *Stream) { s.Source.Format = "plain" }), stream(func(s *Stream) { s.Source.Format = "a\u202eb" })},
		"a line without its end": {func(m *Manifest) { m.Restore = many(1, `$ psql -c 'a "b" \ c' | x > y`) }, func(m *Manifest) { m.Restore = many(1, "a\nb") }},
		"an etag":                {stream(func(s *Stream) { s.Parts[0].ETag = long(MaxWord) }), stream(func(s *Stream) { s.Parts[0].ETag = long(MaxWord + 1) })},
		"the size of a stream":   {stream(func(s *Stream) { s.PlainSize = MaxPlainSize }), stream(func(s *Stream) { s.PlainSize = MaxPlainSize + 1 })},
	} {
		t.Run(name, func(t *testing.T) {
			m := sound()
			c.fits(&m)
			if _, err := DecodeManifest(encode(t, m)); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			m = sound()
			c.exceeds(&m)
			if m.Check() == nil {
				t.Error("Check: beyond the limit it is accepted")
			}
			if _, err := DecodeManifest(encode(t, m)); err == nil {
				t.Error("DecodeManifest: beyond the limit it is accepted")
			}
		})
	}
}

func TestAManifestOfAsManyPartsAsThereAreIsAccepted(t *testing.T) {
	m := sound()
	s := &m.Streams[0]
	s.Parts, s.StoredSize = nil, MaxParts
	for n := 1; n <= MaxParts; n++ {
		s.Parts = append(s.Parts, Part{Number: n, Size: 1, Sum: strings.Repeat("ab", 32)})
	}
	for len(m.Streams) < MaxStreams {
		next := m.Streams[0]
		next.Name, next.File = fmt.Sprint("s", len(m.Streams)), fmt.Sprint("s", len(m.Streams))
		m.Streams = append(m.Streams, next)
	}
	// With white space, as it is stored.
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeManifest(data); err != nil {
		t.Error(err)
	}
}

// What is dense in the file and large in memory is refused before it is decoded.
func TestAHostileManifestTakesNoMemory(t *testing.T) {
	const hostile = 2 << 20 // bytes
	text := string(encode(t, sound()))
	fill := func(before, one string) string {
		at := strings.Index(text, before) + len(before)
		count := hostile / (len(one) + 1)
		return text[:at] + strings.Repeat(one+",", count) + text[at:]
	}
	part := `{"n":1,"size":10`
	for name, data := range map[string]string{
		"empty lines":        fill(`"restore":[`, `""`),
		"empty parts":        fill(`"parts":[`, `{}`),
		"empty streams":      fill(`"streams":[`, `{}`),
		"empty recipients":   fill(`"recipients":[`, `""`),
		"short statistics":   fill(`"stats":{`, `"a":1`),
		"fields":             fill(`{`, `"a":1`),
		"fields of a part":   fill(part+",", `"a":1`),
		"a long name":        strings.Replace(text, `{"format"`, `{"`+strings.Repeat("A", hostile)+`":1,"format"`, 1),
		"a long line":        strings.Replace(text, `"restore":["`, `"restore":["`+strings.Repeat("A", hostile), 1),
		"escapes in a line":  strings.Replace(text, `"restore":["`, `"restore":["`+strings.Repeat(`\"`, hostile/2), 1),
		"depth":              strings.Replace(text, `"restore":[`, `"restore":[`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+",", 1),
		"another name's way": strings.Replace(fill(`"restore":[`, `""`), `"restore"`, `"r\u0065store"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			if !json.Valid([]byte(data)) || len(data) > MaxManifestSize {
				t.Fatal("no JSON, or too long by itself")
			}
			raw := []byte(data)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := DecodeManifest(raw)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("is accepted")
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > hostile/8 {
				t.Errorf("took %d KiB", took>>10)
			}
			if err != nil && len(err.Error()) > 4*maxPrintable {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

// Whatever a source warns of and says of itself, the manifest takes it.
func TestFactsOfAnyTextFitIntoAManifest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		anything := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 3000), func(b []byte) string { return string(b) }))
		f := Facts{Kind: anything.Draw(t, "kind"), Engine: anything.Draw(t, "engine"), Tool: anything.Draw(t, "tool"), Format: anything.Draw(t, "format")}
		for range rapid.IntRange(0, MaxWarnings+5).Draw(t, "warnings") {
			f.Warn(anything.Draw(t, "warning"))
		}
		f = f.Printable()
		if err := f.check(); err != nil {
			t.Fatal(err)
		}
		m := sound()
		m.Streams[0].Source = f
		var text bytes.Buffer
		if err := json.NewEncoder(&text).Encode(m); err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeManifest(text.Bytes()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWarningsAreEscapedAndCut(t *testing.T) {
	var f Facts
	f.Warn("\"a\\b\": changed while it was read")
	f.Warn("a\nb\x1b[31m\xff\u202e: vanished")
	f.Warn(strings.Repeat("é", 1000))
	if got, want := f.Warnings[0], `"a\b": changed while it was read`; got != want {
		t.Errorf("got %q, want it as it was, %q", got, want)
	}
	if got, want := f.Warnings[1], `a\nb\x1b[31m\xff\u202e: vanished`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := f.Warnings[2]; len(got) > warningLength || len(got) < warningLength-4 || !utf8.ValidString(got) || !strings.HasSuffix(got, "é…") {
		t.Errorf("got %d bytes, want about %d and an ellipsis: %q", len(got), warningLength, got)
	}
}
