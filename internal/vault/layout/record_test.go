package layout

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

func TestARecordIsTheseBytes(t *testing.T) {
	const key, text = "backups/web1/crm/x/crm.sql", `{"key":"backups/web1/crm/x/crm.sql","started":"2025-10-28T14:00:00Z"}`
	at := time.Date(2025, 10, 28, 16, 0, 0, 0, time.FixedZone("", 2*60*60))
	got, err := Record{Key: key, Started: at}.Encode()
	if err != nil || string(got) != text {
		t.Errorf("got %s and error %v, want %s", got, err, text)
	}
	r, err := ParseRecord("X", []byte(text), MaxName)
	if err != nil || r.Key != key || !r.Started.Equal(at) {
		t.Errorf("got %+v and error %v", r, err)
	}
}

func TestARecordThatSaysNothingIsCorrupt(t *testing.T) {
	long := `{"key":"` + strings.Repeat("n", MaxName) + `"}`
	for _, text := range []string{"", "\x00\x00", "null", "{}", `{"key":"../x"}`, `{"key":"x","started":"today"}`, `{"key":"x"}{`, long} {
		if r, err := ParseRecord("X", []byte(text), MaxMarkedName); !errors.Is(err, holdfast.ErrCorrupt) || r != (Record{}) {
			t.Errorf("%s: got %+v and error %v, want %v", text, r, err, holdfast.ErrCorrupt)
		}
	}
	if _, err := ParseRecord("X", []byte(long), MaxName); err != nil {
		t.Errorf("where names need not be marked: %v", err)
	}
}

func TestTheLongestRecordFits(t *testing.T) {
	key := strings.Repeat("<", holdfast.MaxKey) // six bytes each in JSON
	text, err := Record{Key: key, Started: time.Now()}.Encode()
	if err != nil || len(text) < 6*holdfast.MaxKey || len(text) > MaxRecord {
		t.Errorf("%d bytes and error %v, want at most %d", len(text), err, MaxRecord)
	}
}
