package holdfast

import (
	"testing"

	"pgregory.net/rapid"
)

func TestPartSchedule(t *testing.T) {
	for _, test := range []struct {
		name     string
		n        int
		maxParts int
		want     int64
	}{
		{"the first", 1, MaxParts, 8 << 20},
		{"the last small one", 3000, MaxParts, 8 << 20},
		{"the first that is twice as large", 3001, MaxParts, 16 << 20},
		{"the last of that size", 4000, MaxParts, 16 << 20},
		{"the next doubling", 4001, MaxParts, 32 << 20},
		{"the last of all", MaxParts, MaxParts, 512 << 20},
		{"a vault that allows one part", 1, 1, 8 << 20},
	} {
		if got := PartSize(test.n, test.maxParts); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
	if got := MaxUpload(MaxParts); got < 1_433<<30 || got > 1_536<<30 {
		t.Errorf("an upload holds %d bytes, want 1.4 TiB and some", got)
	}
	if got := PartOffset(3001, MaxParts); got != 3000*(8<<20) {
		t.Errorf("part 3001 begins at %d", got)
	}
}

func TestPartScheduleProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		maxParts := rapid.IntRange(1, MaxParts).Draw(t, "maxParts")
		var offset int64
		for n := 1; n <= maxParts; n++ {
			size := PartSize(n, maxParts)
			if size < MinPartSize || size > MaxPartSize {
				t.Fatalf("part %d of %d: %d bytes", n, maxParts, size)
			}
			if n > 1 && size < PartSize(n-1, maxParts) {
				t.Fatalf("part %d of %d is smaller than the one before", n, maxParts)
			}
			if got := PartOffset(n, maxParts); got != offset {
				t.Fatalf("part %d of %d begins at %d, but those before end at %d", n, maxParts, got, offset)
			}
			offset += size
		}
		if got := MaxUpload(maxParts); got != offset {
			t.Fatalf("%d parts hold %d, but add up to %d", maxParts, got, offset)
		}
	})
}
