package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestAProgressLineSaysHowFarAndHowFast(t *testing.T) {
	for _, c := range []struct {
		done, total int64
		took        time.Duration
		want        string
	}{
		{0, 0, 0, "crm  0B  0s"},
		{12e6, 0, 300 * time.Millisecond, "crm  12MB  0s"}, // too early for a rate
		{12e6, 0, 4 * time.Second, "crm  12MB  3MB/s  4s"},
		{12e6, 48e6, 4 * time.Second, "crm  12MB of 48MB (25%)  3MB/s  4s"},
		{48e6, 48e6, 90 * time.Second, "crm  48MB of 48MB (100%)  533.3kB/s  1m30s"},
	} {
		if got := progressLine("crm", c.done, c.total, c.took); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestProgressIsSilentWhereNobodyWatches(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b, false, time.Now)
	p.Set("crm", 1, 0)
	p.Done()
	if b.Len() > 0 {
		t.Errorf("drew %q on what is no terminal", b.String())
	}
}

func TestProgressDrawsSeldomAndTakesItsLineAway(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(1e9, 0)
	p := &Progress{w: &b, now: func() time.Time { return now }}
	p.Set("crm", 1, 0)
	p.Set("crm", 2, 0) // at once again: not drawn
	now = now.Add(drawEvery)
	p.Set("crm", 3, 0)
	p.Set("media", 4, 0) // something else: drawn at once, with a time of its own
	p.Done()
	const clear = "\r\x1b[K"
	want := clear + "crm  1B  0s" + clear + "crm  3B  0s" + clear + "media  4B  0s" + clear
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	b.Reset()
	p.Done()
	if b.Len() > 0 {
		t.Errorf("Done drew %q where nothing was shown", strings.ToValidUTF8(b.String(), "?"))
	}
}

func TestWhatIsSaidStandsAboveTheProgress(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(1e9, 0)
	p := &Progress{w: &b, now: func() time.Time { return now }}
	p.Set("crm", 1, 0)
	now = now.Add(4 * time.Second)
	p.Say("nas: trying again")
	p.Set("crm", 12e6, 0) // drawn at once, by the clock it had
	p.Done()
	const clear = "\r\x1b[K"
	want := clear + "crm  1B  0s" + clear + "nas: trying again\n" + clear + "crm  12MB  3MB/s  4s" + clear
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
