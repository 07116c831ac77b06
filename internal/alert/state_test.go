package alert

import (
	"testing"
)

var damagedStates = map[string]string{
	"empty":                    "",
	"cut off":                  `{"version":1,"incidents":[`,
	"of a later version":       `{"version":2,"incidents":[],"channels":{}}`,
	"with an unknown field":    `{"version":1,"incidents":[],"channels":{},"more":1}`,
	"with something behind it": `{"version":1,"incidents":[],"channels":{}} {}`,
	"without incidents":        `{"version":1,"incidents":null,"channels":{}}`,
	"with an empty incident":   `{"version":1,"incidents":[null],"channels":{}}`,
	"with an empty channel":    `{"version":1,"incidents":[],"channels":{"ops":null}}`,
	"with an empty thread":     `{"version":1,"incidents":[],"channels":{"ops":{"threads":{"a":null}}}}`,
	"with one alert open twice": `{"version":1,"channels":{},"incidents":[
		{"id":"a","finding":{"check":"state","severity":"warning","summary":""},"opened":"2025-10-28T14:00:00Z"},
		{"id":"b","finding":{"check":"state","severity":"warning","summary":""},"opened":"2025-10-28T14:00:00Z"}]}`,
	"with one that ended at no time": `{"version":1,"channels":{},"incidents":[
		{"id":"a","finding":{"check":"state","severity":"warning","summary":""},"opened":"2025-10-28T14:00:00Z","closed":true}]}`,
}

func FuzzDecodeState(f *testing.F) {
	for _, doc := range damagedStates {
		f.Add([]byte(doc))
	}
	f.Add([]byte(`{"version":1,"revision":3,"incidents":[{"id":"a","finding":{"check":"hash","severity":"warning","summary":""},` +
		`"opened":"2025-10-28T14:00:00Z","due":{"dev":true},"told":{"ops":{"n":1,"at":"2025-10-28T14:00:00Z","severity":"warning"}}}],` +
		`"channels":{"ops":{"claim":{"owner":"x","until":"2025-10-28T14:00:00Z"},"threads":{"m":{"at":"2025-10-28T14:00:00Z","incidents":["a","b"]}}}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		st, err := decodeState(doc)
		if err != nil {
			return
		}
		body, err := st.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeState(body); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		h := newHouse(t, "ops") // and whatever was read, a run copes with
		if _, err := h.vault.Swap(t.Context(), StateKey, doc, ""); err != nil {
			t.Fatal(err)
		}
		h.look("crm/fresh!")
		h.run()
	})
}
