package slack

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
)

func thread(open, resolved, more, going int) holdfast.Message {
	at := time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)
	m := sample.Messages(at)[1]
	m.Sample = false
	m.Thread.Items, m.Thread.More, m.Thread.Open = nil, more, going
	for n := range open + resolved {
		item := holdfast.Item{Step: holdfast.Opened, At: at, Finding: holdfast.Finding{
			Check: "fresh", Severity: holdfast.Critical, Host: "web9", Job: fmt.Sprintf("job%d", n), Summary: "is stale",
		}}
		if n >= open {
			item.Step = holdfast.Resolved
		}
		m.Thread.Items = append(m.Thread.Items, item)
	}
	return m
}

func TestTheFirstMessageCountsAllOfItsThread(t *testing.T) {
	for want, m := range map[string]holdfast.Message{
		"[980 of 1000 resolved] still: web9/job0: is stale": thread(5, 25, 970, 20),
		"[980 of 1000 resolved] 20 go on":                   thread(0, 30, 970, 20),
		"[1000 resolved]":                                   thread(0, 30, 970, 0),
		"[1000 changes] web9/job0: is stale; and 999 more":  thread(30, 0, 970, 1000),
		"[2 resolved] web9/job0: is stale; and 1 more":      thread(0, 2, 0, 0),
		"[1 of 2 resolved] still: web9/job0: is stale":      thread(1, 1, 0, 1),
	} {
		subject, first := standing(m)
		if subject != want || first.More != m.Thread.More || first.Thread != nil {
			t.Errorf("got %q, leaving out %d, want %q", subject, first.More, want)
		}
	}
}

func TestALargeThreadIsToldInFewWords(t *testing.T) {
	m := thread(30, 0, 970, 999)
	text, err := json.Marshal(blocks("subject", m, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"999 of 1000 go on, these too:", "web9/job4: ", "and 993 more"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("has no %q: %s", want, text)
		}
	}
	if strings.Contains(string(text), "web9/job5:") || len(text) > maxAll {
		t.Errorf("names more than %d, or has %d bytes", listed, len(text))
	}
}

func TestTextAloneHasNoLinksButItsOwn(t *testing.T) {
	m := thread(2, 0, 0, 2)
	m.Items[0].Finding.Summary = "see https://evil.example.com/x and www.evil.example.com"
	got := newPayload("see https://evil.example.com/x", m, nil).withoutBlocks().text
	if strings.Count(got, "://") != 1 || strings.Contains(got, "www.") || !strings.Contains(got, m.Link) {
		t.Errorf("got %s", got)
	}
}
