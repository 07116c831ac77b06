package layout

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

func TestPlaces(t *testing.T) {
	if want := (holdfast.UploadLimits{MaxParts: 10_000, Checksum: "sha256"}); !cmp.Equal(Limits(), want) {
		t.Errorf("limits: got %+v, want %+v", Limits(), want)
	}
	for n, want := range map[int]struct{ offset, size int64 }{
		1: {0, 8 << 20}, 2: {8 << 20, 8 << 20}, 3001: {3000 * 8 << 20, 16 << 20},
		10_000: {holdfast.MaxUpload(10_000) - 512<<20, 512 << 20},
	} {
		if PartOffset(n) != want.offset || PartSize(n) != want.size {
			t.Errorf("part %d: got %d bytes from %d on, want %d from %d on", n, PartSize(n), PartOffset(n), want.size, want.offset)
		}
	}
	for p, ok := range map[holdfast.Part]bool{
		{Number: 1, Size: 1}: true, {Number: 1, Size: 8 << 20}: true, {Number: 10_000, Size: 512 << 20}: true,
		{Number: 0, Size: 1}: false, {Number: -1, Size: 1}: false, {Number: 10_001, Size: 1}: false,
		{Number: 1}: false, {Number: 1, Size: -1}: false, {Number: 1, Size: 8<<20 + 1}: false, {Number: 10_000, Size: 512<<20 + 1}: false,
	} {
		if err := CheckPlace(p); (err == nil) != ok {
			t.Errorf("%+v: got error %v, want there is a place: %v", p, err, ok)
		}
	}
}

func TestPartsThatMakeAnObject(t *testing.T) {
	const full = 8 << 20
	first, second := holdfast.Part{Number: 1, Size: full, Sum: "a"}, holdfast.Part{Number: 2, Size: full, Sum: "b"}
	short, third := holdfast.Part{Number: 2, Size: 5, Sum: "c"}, holdfast.Part{Number: 3, Size: 5, Sum: "d"}
	type parts = []holdfast.Part
	for _, c := range []struct {
		has, parts parts
		size       int64
		want       string // "": they do
	}{
		{parts{first, second, third}, parts{first, second, third}, 2*full + 5, ""},
		{parts{first, second, third}, parts{first, second}, 2 * full, ""},
		{parts{first}, parts{first, second}, 2 * full, "part 2 is missing"},
		{parts{first, second, third}, parts{first, third}, full + 5, "part 2 is missing"},
		{parts{first, second, third}, parts{second}, full, "part 1 is missing"},
		{parts{first, second}, parts{first, {Number: 2, Size: full, Sum: "x"}}, 2 * full, "part 2 differs from what lies here"},
		{parts{first, second}, parts{first, {Number: 2, Size: 5, Sum: "b"}}, full + 5, "part 2 differs from what lies here"},
		{parts{first, short, third}, parts{first, short, third}, full + 10, "part 2 has 5 bytes and is not the last"},
		{parts{first}, parts{first}, full + 1, "parts make 8388608 bytes, not 8388609"},
		{parts{first}, nil, 0, "parts make 0 bytes, not 0"},
	} {
		err := CheckParts(c.parts, c.size, "lies here", func(n int) (p holdfast.Part, ok bool) {
			if n > len(c.has) {
				return p, false
			}
			return c.has[n-1], true
		})
		switch {
		case c.want == "" && err != nil:
			t.Error(err)
		case c.want != "" && (!errors.Is(err, holdfast.ErrCorrupt) || !strings.HasPrefix(err.Error(), c.want+": ")):
			t.Errorf("got error %v, want %s", err, c.want)
		}
	}
}
