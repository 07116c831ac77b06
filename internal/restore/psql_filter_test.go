package restore

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// filtered returns what becomes of a dump that is written in pieces of size bytes.
func filtered(dump []byte, size int, refused ...[]byte) ([]byte, error) {
	var out bytes.Buffer
	f := &psqlFilter{w: &out, refused: refused}
	for len(dump) > 0 {
		n := min(size, len(dump))
		if _, err := f.Write(dump[:n]); err != nil {
			return out.Bytes(), err
		}
		dump = dump[n:]
	}
	err := f.end()
	return out.Bytes(), err
}

func TestPsqlFilter(t *testing.T) {
	const header = "--\n-- PostgreSQL database dump\n--\n\n"
	long := strings.Repeat("x", 300_000)
	for name, tt := range map[string]struct{ dump, want string }{
		"nothing":                                {"", ""},
		"the dump's own pair goes":               {header + "\\restrict k1\n\nSELECT 1;\n\\unrestrict k1\n\n", header + "\nSELECT 1;\n\n"},
		"also at the very end":                   {header + "\\restrict k1\nSELECT 1;\n\\unrestrict k1", header + "SELECT 1;\n"},
		"also where nothing stands between":      {"\\restrict k1\n\\unrestrict k1\n", ""},
		"a dump without one stays":               {header + "SELECT 1;\n", header + "SELECT 1;\n"},
		"one behind a statement stays":           {"SELECT 1;\n\\restrict k1\n", "SELECT 1;\n\\restrict k1\n"},
		"a second one stays":                     {"\\restrict k1\n\\restrict k2\n", "\\restrict k2\n"},
		"one with more on its line stays":        {"\\restrict k1 \\! id\n", "\\restrict k1 \\! id\n"},
		"one with a key of other letters stays":  {"\\restrict `id`\n", "\\restrict `id`\n"},
		"lines of any length stay":               {"\\restrict k1\n" + long + "\n" + long + "\n\\unrestrict k1\n", long + "\n" + long + "\n"},
		"so does a long line at the beginning":   {"-- " + long + "\nSELECT 1;", "-- " + long + "\nSELECT 1;"},
		"backslashes of COPY stay":               {header + "COPY a FROM stdin;\n\\N\t\\\\x00\t\\\\restrict\n\\.\n", header + "COPY a FROM stdin;\n\\N\t\\\\x00\t\\\\restrict\n\\.\n"},
		"bytes that are no UTF-8 stay":           {"SELECT '\xff\x83\\';\r\n", "SELECT '\xff\x83\\';\r\n"},
		"\\unrestrict of another key is refused": {"\\restrict k1\n\\unrestrict k2\n", "!"},
		"with more on its line":                  {"\\restrict k1\n\\unrestrict k1 `id`\n", "!"},
		"behind something":                       {"\\restrict k1\nSELECT 1 \\unrestrict k1\n", "!"},
		"a second time":                          {"\\restrict k1\n\\unrestrict k1\n\\unrestrict k1\n", "!"},
		"in the header":                          {"-- \\unrestrict `id`\n", "!"},
		"without a pair":                         {"SELECT 1;\n\\unrestrict `id`\n", "!"},
		"behind another backslash":               {"SELECT '\x83\\\\unrestrict `id`\n", "!"},
		"far behind":                             {"\\restrict k1\n" + long + "\\unrestrict k1\n", "!"},
		"a zero byte is refused":                 {"SELECT 1;\n\\unre\x00" + strings.Repeat("x", 1000) + "strict\n", "!"},
		"so is what an error can hold":           {"SELECT 1;\n:LAST_ERROR_MESSAGE\n", "!"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 7, 4096, 1 << 20} {
				if size == 1 && len(tt.dump) > 100_000 {
					continue
				}
				got, err := filtered([]byte(tt.dump), size, append(getsAround(), lastError)...)
				if tt.want == "!" {
					if !errors.Is(err, errGetsAround) {
						t.Errorf("in pieces of %d: got %v, want %v", size, err, errGetsAround)
					}
				} else if err != nil || string(got) != tt.want {
					t.Errorf("in pieces of %d: got %.200q, %v", size, got, err)
				}
			}
		})
	}
}

// plainlyFiltered is what psqlFilter does, to a whole dump at once.
func plainlyFiltered(dump []byte) []byte {
	pair := regexp.MustCompile(`\A((?:--[^\n]*\n|[ \t\r\f\v]*\n)*)\\restrict ([A-Za-z0-9]{1,256})\n`)
	m := pair.FindSubmatchIndex(dump)
	if m == nil || m[1] > maxHeader {
		return dump
	}
	key := dump[m[4]:m[5]]
	rest := append([]byte("\n"), dump[m[1]:]...)
	own := regexp.MustCompile(`\n\\unrestrict ` + string(key) + `(\n|\z)`)
	if at := own.FindIndex(rest); at != nil {
		rest = append(rest[:at[0]+1:at[0]+1], rest[at[1]:]...)
	}
	return append(dump[:m[3]:m[3]], rest[1:]...)
}

func checkFilter(t interface{ Errorf(string, ...any) }, dump []byte, size int) {
	want := plainlyFiltered(dump)
	if got, err := filtered(dump, size); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%q, trusted: got %q, %v, want %q", dump, got, err, want)
	}
	refused := append(getsAround(), lastError)
	bad := false
	for _, text := range refused {
		bad = bad || bytes.Contains(want, text)
	}
	got, err := filtered(dump, size, refused...)
	switch {
	case bad && !errors.Is(err, errGetsAround):
		t.Errorf("%q: got %q, %v, want it refused", dump, got, err)
	case bad && !bytes.HasPrefix(want, got):
		t.Errorf("%q: passed on %q before it was refused", dump, got)
	case !bad && (err != nil || !bytes.Equal(got, want)):
		t.Errorf("%q: got %q, %v, want %q", dump, got, err, want)
	}
	for _, text := range refused {
		if bytes.Contains(got, text) {
			t.Errorf("%q: passed on %q", dump, got)
		}
	}
}

func TestPsqlFilterOverPieces(t *testing.T) {
	piece := rapid.SampledFrom([]string{"\n", "\\restrict ", "\\unrestrict ", "\\", "unrestrict", "restrict", "\\unrestrict ab\n", "\\restrict ab\n",
		"\nCOPY a FROM stdin;\n", "-- comment\n", "ab", "a", " ", "\x00", ":LAST_ERROR_MESSAGE", ":LAST_", "ERROR_MESSAGE", "SELECT 1;\n", "'", "\xff", "\r"})
	rapid.Check(t, func(t *rapid.T) {
		dump := strings.Join(rapid.SliceOfN(piece, 0, 30).Draw(t, "dump"), "")
		checkFilter(t, []byte(dump), rapid.IntRange(1, 40).Draw(t, "size"))
	})
}

func FuzzPsqlFilter(f *testing.F) {
	f.Add([]byte("--\n\n\\restrict ab\nSELECT 1;\n\\unrestrict ab\n"), uint16(3))
	f.Add([]byte("\\restrict ab\n\\unrestrict `id`\n"), uint16(100))
	f.Add([]byte("\\restrict ab\nx\\unrestrict ab\n\\unrestrict ab"), uint16(1))
	f.Add([]byte("\\unre\x00strict"), uint16(1))
	f.Fuzz(func(t *testing.T, dump []byte, size uint16) {
		if len(dump) < maxHeader { // beyond it the filter looks for no header
			checkFilter(t, dump, int(size)+1)
		}
	})
}

func BenchmarkPsqlFilter(b *testing.B) {
	dump := sqlDump(1 << 20)
	b.SetBytes(int64(len(dump)))
	for b.Loop() {
		if _, err := filtered(dump, 256<<10, getsAround()...); err != nil {
			b.Fatal(err)
		}
	}
}
