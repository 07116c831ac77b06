package holdfast

import (
	"testing"

	"pgregory.net/rapid"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "500": 500, "500B": 500, "10MB": 10_000_000, "10 MB": 10_000_000, "5GiB": 5 << 30, "1.5kB": 1500, "1.5KB": 1500,
		"1KiB": 1024, "2TiB": 2 << 40, "1TB": 1e12, " 7 ": 7,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "B", "MB", "-1", "+1", "1e3", "0x10", "1,5MB", "1..5", "Inf", "NaN", "1mb", "1M", "9223372036854775808", "99999999TB", "1 2"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func TestSizeString(t *testing.T) {
	for size, want := range map[Size]string{
		0: "0B", 999: "999B", 1000: "1kB", 1500: "1.5kB", 999_949: "999.9kB", 999_999: "1MB", 5e9: "5GB", 1_234_567_890_123: "1.2TB", -1500: "-1.5kB",
	} {
		if got := size.String(); got != want {
			t.Errorf("%d: got %s, want %s", int64(size), got, want)
		}
	}
}

func TestSizeTextIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := Size(rapid.Int64Range(0, 1<<53).Draw(t, "size")) // beyond, float64 rounds; that is 9 PB
		text, err := size.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var again Size
		if err := again.UnmarshalText(text); err != nil || again != size {
			t.Fatalf("%s: got %d, %v, want %d", text, again, err, size)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"0", "500", "10MB", "5GiB", "1.5kB", "9223372036854775807", "1e9", ".", "1.", ".5B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		size, err := ParseSize(text)
		if err != nil {
			return
		}
		if size < 0 {
			t.Errorf("%q: got %d", text, size)
		}
		if _, err := ParseSize(size.String()); err != nil {
			t.Errorf("%q prints as %s: %v", text, size, err)
		}
	})
}
