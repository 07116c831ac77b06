package shoutrrr

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
)

// titled are the services that show a title, by a parameter of that name.
var titled = []string{
	"bark", "discord", "gotify", "join", "lark", "matrix", "mattermost", "ntfy", "opsgenie", "pushbullet", "pushover",
	"slack", "teams", "telegram",
}

// limits of texts, in bytes, where the service takes less than most. Beyond some of
// them shoutrrr fails, beyond others it cuts, or sends more than one message.
var limits = map[string]int{"bark": 2000, "discord": 1900, "pagerduty": 1000, "pushover": 1000, "signal": 1900}

// usual is the limit of all others; Telegram's 4096, with the title and a margin.
const usual = 3000

// texts returns the title and the text for a service; without a title the text
// begins with what it would be.
func texts(scheme string, m holdfast.Message, loc *time.Location) (title, text string) {
	limit, ok := limits[scheme]
	if !ok {
		limit = usual
	}
	m = plain.WithoutLinks(m)
	title = plain.Subject(m)
	if scheme == "smtp" {
		return title, plain.Short(m, loc, limit)
	}
	title, first := harmless(title), ""
	if !slices.Contains(titled, scheme) {
		title, first = "", title+"\n\n"
	}
	// Made harmless, a text of many brackets is longer than it was.
	for room := limit - len(first); ; room = room * 7 / 8 {
		if text = first + harmlessBut(plain.Link(m), plain.Short(m, loc, room)); len(text) <= limit {
			return title, text
		}
	}
}

// calls is what calls people, or everybody, in the mark-up of chats: @everyone,
// @Here, @*role:admins*, @**all**.
var calls = regexp.MustCompile(`@([\pL*_])`)

// disguises make a link say something else, or are commands: in Discord, Matrix,
// Mattermost, Slack, Teams, ….
var disguises = strings.NewReplacer("](", "] (", "<", "‹", ">", "›")

// harmless returns text without what chats would act upon.
func harmless(text string) string {
	return disguises.Replace(calls.ReplaceAllString(text, "@ $1"))
}

// harmlessBut is harmless for all of text but the link.
func harmlessBut(link, text string) string {
	if link == "" {
		return harmless(text)
	}
	parts := strings.Split(text, link)
	for i := range parts {
		parts[i] = harmless(parts[i])
	}
	return strings.Join(parts, link)
}
