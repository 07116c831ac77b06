package holdfast

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseID(t *testing.T) {
	id, err := ParseID("20251028T140000Z-9f3c2a7d")
	if want := time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC); err != nil || !id.Time().Equal(want) {
		t.Errorf("got %s, %v, want %s", id.Time(), err, want)
	}
	for _, text := range []string{
		"", "20251028T140000Z", "20251028T140000Z-9F3C2A7D", "20251028T140000Z-9f3c2a7", "20251028T140000Z-9f3c2a7d0", "20251028T140000Z_9f3c2a7d",
		"20250230T140000Z-9f3c2a7d", "20251028T240000Z-9f3c2a7d", "20251028T140060Z-9f3c2a7d", "20251028t140000z-9f3c2a7d",
		"../../../../../../../../x", "20251028T140000Z-9f3c2a7d\n", "latest",
	} {
		if got, err := ParseID(text); err == nil {
			t.Errorf("%q: got %s, want an error", text, got)
		}
		if at := ID(text).Time(); !at.IsZero() && len(text) != IDLength {
			t.Errorf("%q: has the time %s", text, at)
		}
	}
}

func TestNewIDWithoutRandomnessFails(t *testing.T) {
	if id, err := NewID(time.Now(), bytes.NewReader([]byte{1, 2, 3})); err == nil {
		t.Errorf("got %s", id)
	}
}

func TestIDProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		make := func(label string) (ID, time.Time) {
			at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, label), 0)
			id, err := NewID(at, bytes.NewReader(rapid.SliceOfN(rapid.Byte(), idBytes, idBytes).Draw(t, label+" random")))
			if err != nil {
				t.Fatal(err)
			}
			if again, err := ParseID(string(id)); err != nil || again != id || len(id) != IDLength {
				t.Fatalf("%s: %v", id, err)
			}
			if !id.Time().Equal(at) || string(id[:len(DayPrefix(at))]) != DayPrefix(at) {
				t.Fatalf("%s: is of %s, want %s", id, id.Time(), at)
			}
			return id, at
		}
		a, atA := make("a")
		b, atB := make("b")
		if atA.Before(atB) && a >= b {
			t.Fatalf("%s is older than %s and does not sort so", a, b)
		}
	})
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"20251028T140000Z-9f3c2a7d", "20251028T140000Z-9F3C2A7D", "00010101T000000Z-00000000", "20240229T235959Z-ffffffff", "../x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseID(text)
		if err != nil {
			return
		}
		if again, err := NewID(id.Time(), bytes.NewReader(make([]byte, idBytes))); err != nil || again[:len(idTime)] != id[:len(idTime)] {
			t.Errorf("%q: its time gives %s, %v", text, again, err)
		}
		if (Ref{"web1", "crm", id}).Check() != nil {
			t.Errorf("%q: is no part of a Ref", text)
		}
	})
}
