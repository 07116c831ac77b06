package sample

import (
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Hostile returns messages whose texts try to be more than texts, in every medium
// that a channel may use: HTML, Slack's mark-up, Markdown, mail headers, terminals;
// and some that are too long. For tests alone: nobody should be sent them.
func Hostile(now time.Time) []holdfast.Message {
	now = now.UTC().Truncate(time.Second)
	var messages []holdfast.Message
	for _, text := range []struct{ name, it string }{
		{"html", `</td><script>alert(1)</script><img src=x onerror="alert(2)"> &amp; &lt;b&gt; '"` + "`"},
		{"slack", "<!channel> <!here> <@U0123456789> <https://evil.example.com|the status page> *bold* _it_ ~gone~ `code` ```block``` &lt;!channel&gt; :rotating_light: @channel"},
		{"markdown", "[the status page](https://evil.example.com) ![](https://evil.example.com/a.png) # Title | a | b | https://evil.example.com"},
		{"lines", "first\r\nBcc: everybody@example.com\r\n\r\nsecond\nthird\u2028fourth\u0085fifth\x00sixth\ttabbed"},
		{"terminal", "\x1b[31mred\x1b[0m \x1b]0;title\x07 \u202eesrever\u202c \u2066isolated\u2069 zero\u200bwidth \ufeffmark \xff\xfe no UTF-8 \xed\xa0\x80"},
		{"long", strings.Repeat("very long, ", 400) + "and over"},
		{"one-word", strings.Repeat("ü", 2500) + "\U0001f4a5" + strings.Repeat("&", 2500)},
	} {
		f := holdfast.Finding{
			Check: text.it, Severity: holdfast.Critical, Host: text.it, Job: text.it, Backup: holdfast.ID(text.it),
			Summary: text.it, Expected: text.it, Actual: text.it, Hint: text.it,
		}
		since := now.Add(-3 * time.Hour)
		bad := item(holdfast.Opened, since, f, &holdfast.LastBackup{ID: holdfast.ID(text.it), Size: 1, Usual: 1 << 62})
		over := item(holdfast.Resolved, since, f, nil)
		m := message("hostile-"+text.name, now, bad, over)
		m.Vault = text.it
		m.Thread = &holdfast.Thread{ID: m.ID, At: since, Items: []holdfast.Item{bad, over}, Open: 1}
		m.Thread.Items[0].Finding.Check += "too"
		messages = append(messages, m)
	}
	many := manyChanges(now)
	many.ID = "sample-hostile-many-" + now.Format("20060102t150405z")
	for i := range many.Items {
		many.Items[i].Finding.Summary = strings.Repeat("<&>", 300)
		many.Items[i].Finding.Actual = strings.Repeat("@", 900)
	}
	return append(messages, many)
}
