package holdfast

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseSpan(t *testing.T) {
	for text, want := range map[string]Span{
		"90s": {90, Second}, "15m": {15, Minute}, "26h": {26, Hour}, "16d": {16, Day}, "8w": {8, Week}, "4mo": {4, Month}, "2y": {2, Year},
		"0": {}, "0h": {0, Hour}, "007d": {7, Day}, "100000h": {100_000, Hour}, "100y": {100, Year},
	} {
		if got, err := ParseSpan(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "h", "1", "-1h", "+1h", "1.5h", "1 h", "1H", "1h30m", "1month", "100001h", "99999999999999999999d", "1h ", "½d", "101y", "-0h", "1300mo", "100000d"} {
		if got, err := ParseSpan(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}

func TestSpanBefore(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	day := func(y int, m time.Month, d, h int, l *time.Location) time.Time {
		return time.Date(y, m, d, h, 0, 0, 0, l)
	}
	for _, test := range []struct {
		name       string
		span       string
		from, want time.Time
	}{
		{"a month before 31 March is the end of February", "1mo", day(2025, 3, 31, 5, time.UTC), day(2025, 2, 28, 5, time.UTC)},
		{"in a leap year too", "1mo", day(2024, 3, 31, 5, time.UTC), day(2024, 2, 29, 5, time.UTC)},
		{"a year before 29 February", "1y", day(2024, 2, 29, 0, time.UTC), day(2023, 2, 28, 0, time.UTC)},
		{"months over the turn of a year", "14mo", day(2025, 1, 15, 0, time.UTC), day(2023, 11, 15, 0, time.UTC)},
		{"a week", "1w", day(2025, 3, 3, 0, time.UTC), day(2025, 2, 24, 0, time.UTC)},
		{"a day of 23 hours is a day", "1d", day(2025, 3, 30, 12, paris), day(2025, 3, 29, 12, paris)},
		{"24 hours are not", "24h", day(2025, 3, 30, 12, paris), day(2025, 3, 29, 11, paris)},
		{"nothing", "0", day(2025, 3, 30, 12, time.UTC), day(2025, 3, 30, 12, time.UTC)},
	} {
		t.Run(test.name, func(t *testing.T) {
			span, err := ParseSpan(test.span)
			if err != nil {
				t.Fatal(err)
			}
			if got := span.Before(test.from); !got.Equal(test.want) {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func spans(t *rapid.T) Span {
	unit := rapid.SampledFrom([]Unit{Second, Minute, Hour, Day, Week, Month, Year}).Draw(t, "unit")
	return Span{rapid.IntRange(1, 99).Draw(t, "n"), unit}
}

func TestSpanProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := spans(t)
		if again, err := ParseSpan(span.String()); err != nil || again != span {
			t.Fatalf("%s: got %+v, %v", span, again, err)
		}
		if span.Duration() <= 0 {
			t.Fatalf("%s: lasts %s", span, span.Duration())
		}
		from := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "from"), 0).UTC()
		before, longer := span.Before(from), Span{span.N + 1, span.Unit}.Before(from)
		if !before.Before(from) || !longer.Before(before) {
			t.Fatalf("%s before %s is %s, and one more %s", span, from, before, longer)
		}
	})
}

func FuzzParseSpan(f *testing.F) {
	for _, s := range []string{"0", "90s", "26h", "4mo", "2y", "100000d", "1h30m", "-1d", "1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		span, err := ParseSpan(text)
		if err != nil {
			return
		}
		if span.Duration() < 0 || span.IsZero() != (span.Duration() == 0) {
			t.Errorf("%q: lasts %s", text, span.Duration())
		}
		if again, err := ParseSpan(span.String()); err != nil || again.N != span.N || span.N > 0 && again != span {
			t.Errorf("%q prints as %s, which reads as %+v, %v", text, span, again, err)
		}
	})
}
