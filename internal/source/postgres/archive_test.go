package postgres_test

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/source/postgres"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// prove writes an archive in pieces of the given size.
func prove(archive []byte, piece int) error {
	a := postgres.NewArchive()
	defer a.Stop()
	for len(archive) > 0 {
		n := min(piece, len(archive))
		if _, err := a.Write(archive[:n]); err != nil {
			return err
		}
		archive = archive[n:]
	}
	return a.Check()
}

// builder writes the custom format.
type builder struct {
	bytes.Buffer
	minor byte
}

func (b *builder) int(n int) {
	sign := byte(0)
	if n < 0 {
		sign, n = 1, -n
	}
	b.Write([]byte{sign, byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
}

func (b *builder) string(s string) { b.int(len(s)); b.WriteString(s) }

func (b *builder) header(entries int) {
	b.WriteString("PGDMP")
	b.Write([]byte{1, b.minor, 0, 4, 8, 1})
	if b.minor >= 15 {
		b.WriteByte(0)
	} else {
		b.int(0)
	}
	for range 7 {
		b.int(3)
	}
	for _, s := range []string{"crm", "15.18", "15.18"} {
		b.string(s)
	}
	b.int(entries)
}

func (b *builder) entry(id int, kind string, data bool) {
	b.int(id)
	b.int(map[bool]int{true: 1}[data])
	for _, s := range []string{"1259", "16384", "parent", kind} {
		b.string(s)
	}
	b.int(3)
	b.string(strings.Repeat("CREATE TABLE parent ();", 12))
	b.int(-1)
	for _, s := range []string{"COPY parent FROM stdin;\n", "public", ""} {
		b.string(s)
	}
	if b.minor >= 14 {
		b.string("heap")
	}
	if b.minor >= 16 {
		b.int('r')
	}
	b.string("bob")
	b.string("false")
	b.string("1")
	b.int(-1)
	b.Write(make([]byte, 9))
}

func (b *builder) chunks(texts ...string) {
	for _, s := range texts {
		b.string(s)
	}
	b.int(0)
}

func build(minor byte) []byte {
	b := &builder{minor: minor}
	b.header(4)
	b.entry(1, "TABLE", false)
	b.entry(2, "TABLE DATA", true)
	b.entry(3, "TABLE DATA", true)
	b.entry(4, "BLOBS", true)
	b.WriteByte(1)
	b.int(2)
	b.chunks("1\trow\n", strings.Repeat("x", 300))
	b.WriteByte(1)
	b.int(3)
	b.chunks()
	b.WriteByte(3)
	b.int(4)
	b.int(4711)
	b.chunks("large object")
	b.int(0)
	return b.Bytes()
}

func TestEveryKnownVersionIsUnderstood(t *testing.T) {
	for minor := byte(12); minor <= 16; minor++ {
		archive := build(minor)
		for _, piece := range []int{1, 3, 64, len(archive)} {
			if err := prove(archive, piece); err != nil {
				t.Errorf("version 1.%d in pieces of %d: %v", minor, piece, err)
			}
		}
		for n := range archive {
			if prove(archive[:n], 64) == nil {
				t.Errorf("version 1.%d: %d of %d bytes passed", minor, n, len(archive))
			}
		}
		if prove(append(archive, 0), 64) == nil {
			t.Errorf("version 1.%d: a byte too many passed", minor)
		}
	}
}

func TestAnUnknownVersionIsAnErrorThatSaysWhatToDo(t *testing.T) {
	for _, minor := range []byte{11, 17} {
		if err := prove(build(minor), 64); err == nil || !strings.Contains(err.Error(), "format: plain") {
			t.Errorf("got %v", err)
		}
	}
}

func TestBlocksMustBeThoseOfTheContents(t *testing.T) {
	for name, edit := range map[string]func(*builder){
		"a block of an entry without data": func(b *builder) { b.WriteByte(1); b.int(1); b.chunks() },
		"a block of an unknown kind":       func(b *builder) { b.WriteByte(2); b.int(2); b.chunks() },
		"a chunk of negative length":       func(b *builder) { b.WriteByte(1); b.int(2); b.int(-5) },
		"the same block twice": func(b *builder) {
			b.WriteByte(1)
			b.int(2)
			b.chunks()
			b.WriteByte(1)
			b.int(2)
			b.chunks()
		},
		"a missing block": func(b *builder) { b.WriteByte(1); b.int(2); b.chunks() },
	} {
		t.Run(name, func(t *testing.T) {
			b := &builder{minor: 14}
			b.header(3)
			b.entry(1, "TABLE", false)
			b.entry(2, "TABLE DATA", true)
			b.entry(3, "TABLE DATA", true)
			edit(b)
			if prove(b.Bytes(), 64) == nil {
				t.Error("it passed")
			}
		})
	}
}

func TestARealArchiveIsRefusedWhereverItIsCut(t *testing.T) {
	server := testenv.Postgres(t)
	db := server.Database(t)
	testenv.Psql(t, db, awkward+"TRUNCATE \"odd schema\".\"Odd \"\"Table\"\"\"; DELETE FROM parent WHERE length(name) > 1000 OR length(raw) > 1000;")
	archive, _, err := dump(t, postgres.Options{URL: secret.New(db), Format: postgres.Custom})
	must(t, err)
	rapid.Check(t, func(t *rapid.T) {
		if err := prove(archive, rapid.IntRange(1, 100_000).Draw(t, "piece")); err != nil {
			t.Fatal(err)
		}
	})
	// The header and contents byte by byte, the data in steps, the end byte by byte.
	cuts := 0
	for n := 0; n < len(archive); n++ {
		if n > 1000 && n < len(archive)-300 {
			n += len(archive) / 300
		}
		n = min(n, len(archive)-1)
		cuts++
		if prove(archive[:n], 32<<10) == nil {
			t.Errorf("%d of %d bytes passed", n, len(archive))
		}
	}
	t.Logf("%d cuts of %d bytes", cuts, len(archive))
	if prove(append(bytes.Clone(archive), '\n'), 32<<10) == nil {
		t.Error("a byte too many passed")
	}
}

func TestTheProofNeedsNoMemoryForData(t *testing.T) {
	b := &builder{minor: 16}
	b.header(1)
	b.entry(2, "TABLE DATA", true)
	b.WriteByte(1)
	b.int(2)
	row := &builder{}
	row.string(strings.Repeat("x", 64<<10))
	a := postgres.NewArchive()
	defer a.Stop()
	_, err := a.Write(b.Bytes())
	must(t, err)
	if n := testing.AllocsPerRun(100, func() { a.Write(row.Bytes()) }); n > 0 {
		t.Errorf("%v allocations for each Write", n)
	}
}

func FuzzArchive(f *testing.F) {
	for minor := byte(12); minor <= 16; minor++ {
		f.Add(build(minor), 7)
	}
	f.Add([]byte("PGDMP"), 1)
	f.Fuzz(func(t *testing.T, archive []byte, piece int) {
		if piece < 1 {
			return
		}
		whole, pieces := prove(archive, len(archive)+1), prove(archive, piece)
		if (whole == nil) != (pieces == nil) {
			t.Fatalf("in one piece %v, in pieces of %d %v", whole, piece, pieces)
		}
		if whole == nil && prove(archive[:len(archive)-1], piece) == nil {
			t.Fatal("passes without its last byte too")
		}
	})
}

func BenchmarkArchive(b *testing.B) {
	row := &builder{}
	for range 1000 {
		row.string(strings.Repeat("x", 100))
	}
	head := &builder{minor: 14}
	head.header(1)
	head.entry(2, "TABLE DATA", true)
	head.WriteByte(1)
	head.int(2)
	a := postgres.NewArchive()
	defer a.Stop()
	a.Write(head.Bytes())
	b.SetBytes(int64(row.Len()))
	for b.Loop() {
		if _, err := a.Write(row.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}
