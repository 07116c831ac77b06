package status

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJSONIsDocumentedByAnExample(t *testing.T) {
	var b, indented bytes.Buffer
	if err := WriteJSON(&b, sample()); err != nil {
		t.Fatal(err)
	}
	if err := json.Indent(&indented, b.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.json", indented.String())
}

func TestJSONComesBack(t *testing.T) {
	want := sample()
	var b bytes.Buffer
	if err := WriteJSON(&b, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read (-written +read):\n%s", diff)
	}
}

func TestNothingIsAnEmptyList(t *testing.T) {
	var b bytes.Buffer
	if err := WriteJSON(&b, Status{}); err != nil {
		t.Fatal(err)
	}
	v := NewCollector("main", always(nightly()), noon).Vault(Facts{At: noon, Whole: true, Jobs: []JobFacts{{JobName: crm}}})
	if err := WriteJSON(&b, Status{Vaults: []Vault{v}}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "null") {
		t.Errorf("got %s", b.String())
	}
}

func TestWhatIsNoStatusIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "read status: EOF",
		`{"version": 2, "vaults": []}`:   "read status: version 2, want 1",
		`{"version": 1, "vaults": [[]]}`: "read status: json: cannot unmarshal array into Go struct field Status.vaults of type status.Vault",
	} {
		if _, err := ReadJSON(strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func FuzzReadJSON(f *testing.F) {
	var b bytes.Buffer
	if err := WriteJSON(&b, sample()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"version":1,"vaults":[{"jobs":[{"state":"odd","backups":[{"id":"x","size":-1},{"id":""}],"next":[{}]}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := ReadJSON(bytes.NewReader(body))
		if err != nil {
			return
		}
		var page, metrics bytes.Buffer
		if err := HTML(&page, s, Options{}); err != nil {
			t.Fatal(err)
		}
		if err := Metrics(&metrics, s); err != nil {
			t.Fatal(err)
		}
	})
}
