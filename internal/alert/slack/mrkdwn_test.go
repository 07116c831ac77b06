package slack

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"github.com/holdfast-backup/holdfast"
)

func TestEscape(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		limit int
		want  string
	}{
		"a mention":                    {"<!channel> & <@U1>", 100, "&lt;!channel&gt; &amp; &lt;@U1&gt;"},
		"what fits":                    {"abcde", 5, "abcde"},
		"what does not":                {"abcdef", 5, "abcd…"},
		"an entity is not cut":         {"ab<cd", 5, "ab…"},
		"an entity that fits just so":  {"a<", 5, "a&lt;"},
		"a character of two units":     {"abc💥x", 5, "abc…"},
		"one that fits just so":        {"abc💥", 5, "abc💥"},
		"no room":                      {"abc", 0, ""},
		"no UTF-8":                     {"a\xffb", 10, "a\ufffdb"},
		"a mention already escaped":    {"&lt;!here&gt;", 100, "&amp;lt;!here&amp;gt;"},
		"room for the ellipsis alone":  {"&&", 1, "…"},
		"nothing":                      {"", 10, ""},
		"what is cut where it escapes": {"&&&&", 11, "&amp;&amp;…"},
	} {
		if got := escape(c.text, c.limit); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if got, want := code("a`b`c <d>", 100), "`aˋbˋc &lt;d&gt;`"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := struck("a ~b~", 100), "~a ∼b∼~"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := link("https://a.example.com/?x=1&y=2", "Page", 100), "<https://a.example.com/?x=1&amp;y=2|Page>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := link("https://a.example.com/"+strings.Repeat("x", 100), "Page", 100); got != "" {
		t.Errorf("got %q of a link that is too long", got)
	}
}

// unescape undoes escape.
func unescape(text string) string {
	return strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">").Replace(text)
}

func FuzzEscape(f *testing.F) {
	f.Add("<!channel> & co", 10)
	f.Add("a&b", 3)
	f.Add("💥💥", 3)
	f.Add("\xff\xed\xa0\x80", 2)
	f.Add("`~*_", 4)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = min(max(limit, 0), 1<<12)
		for name, got := range map[string]string{
			"escape": escape(text, limit), "code": code(text, limit), "struck": struck(text, limit), "cut": cut(text, limit),
		} {
			if size(got) > limit || !utf8.ValidString(got) {
				t.Errorf("%s(%q, %d): %q has %d characters, valid UTF-8: %v", name, text, limit, got, size(got), utf8.ValidString(got))
			}
			if name != "cut" && strings.ContainsAny(got, "<>") {
				t.Errorf("%s(%q, %d): %q is live", name, text, limit, got)
			}
		}
		got := escape(text, limit)
		valid := strings.ToValidUTF8(text, "\ufffd")
		if cutOff, was := strings.CutSuffix(got, "…"); was && !strings.HasPrefix(string([]rune(text)), unescape(cutOff)) || !was && limit > 0 && unescape(got) != string([]rune(text)) {
			t.Errorf("escape(%q, %d): %q shows something else (%q)", text, limit, got, valid)
		}
		for _, mark := range []string{"`", "~"} {
			if got := map[string]string{"`": code(text, limit), "~": struck(text, limit)}[mark]; got != "" && strings.Count(got, mark) != 2 {
				t.Errorf("%q ends early", got)
			}
		}
	})
}

func FuzzBlocks(f *testing.F) {
	f.Add("the newest good backup is 31h old", "https://backup.example.com/?x=1&y=2", 3, 0)
	f.Add("<!channel> <https://evil.example.com|x>", "javascript:alert(1)|>", 1, 7)
	f.Add(strings.Repeat("&", 3000), "https://backup.example.com/"+strings.Repeat("x", 3000), 30, 40)
	f.Add("\xff\x00\u202e💥", "https://backup.example.com/<x>", 12, 3)
	f.Fuzz(func(t *testing.T, text, address string, n, more int) {
		at := time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)
		m := holdfast.Message{ID: "x", Kind: holdfast.KindChange, At: at, Vault: text, Link: address, More: min(max(more, 0), 1000)}
		steps := []holdfast.Step{holdfast.Opened, holdfast.Worsened, holdfast.Reminder, holdfast.Resolved, holdfast.Ongoing, holdfast.News}
		for i := range min(max(n, 1), 40) {
			m.Items = append(m.Items, holdfast.Item{Step: steps[i%len(steps)], At: at, Flapping: i%2 == 0, Finding: holdfast.Finding{
				Check: text, Severity: holdfast.Severity(text), Host: text, Job: text, Backup: holdfast.ID(text), Summary: text,
				Expected: text, Actual: text, Hint: text, Since: at.Add(-time.Hour),
			}, Last: &holdfast.LastBackup{ID: holdfast.ID(text), Size: 1, Usual: 3}})
		}
		m.Thread = &holdfast.Thread{ID: "y", At: at, Items: m.Items}
		for _, m := range []holdfast.Message{m, {Kind: holdfast.KindDigest, At: at, Link: address, Overview: &holdfast.Overview{Jobs: n, Open: m.Items}}} {
			p := newPayload(text, m, nil)
			if _, err := json.Marshal(slack.Blocks{BlockSet: p.blocks}); err != nil {
				t.Fatal(err)
			}
			all, shown := 0, 0
			for _, b := range p.blocks {
				for _, text := range texts(b) {
					limit := map[slack.MessageBlockType]int{slack.MBTHeader: maxHeader, slack.MBTSection: maxSection, slack.MBTContext: maxField}[b.BlockType()]
					if n := size(text.Text); n < 1 || n > limit || !utf8.ValidString(text.Text) {
						t.Fatalf("a text of %d characters in a %s: %q", n, b.BlockType(), text.Text)
					}
					all += size(text.Text)
					if strings.Contains(text.Text, " *") || strings.HasPrefix(text.Text, "🔴") {
						shown++
					}
				}
				if s, ok := b.(*slack.SectionBlock); ok && len(s.Fields) > maxFields {
					t.Fatalf("%d fields", len(s.Fields))
				}
			}
			if all > maxAll || len(p.blocks) > maxBlocks || len(p.blocks) < 2 || shown == 0 {
				t.Fatalf("%d characters in %d blocks, %d items shown", all, len(p.blocks), shown)
			}
			if size(p.text) > maxSection || size(p.whole) > maxText || !utf8.ValidString(p.whole) || strings.ContainsAny(p.text+p.whole, "<>") {
				t.Fatalf("texts of %d and %d characters", size(p.text), size(p.whole))
			}
		}
	})
}
