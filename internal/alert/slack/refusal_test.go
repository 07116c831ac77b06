package slack_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
	"github.com/holdfast-backup/holdfast/internal/alert/slack"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

func TestBusy(t *testing.T) {
	busy := func(seconds string) answer {
		return answer{status: 429, header: map[string]string{"Retry-After": seconds}, body: "rate_limited"}
	}
	both(t, func(t *testing.T, s *server, w *waits, c *slack.Channel) {
		s.say(busy("3"), busy("5"))
		if _, err := send(t, c, sample.Messages(now)[0]); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(*w, waits{3 * time.Second, 5 * time.Second}) || len(s.channel()) != 1 {
			t.Errorf("waited %v and posted %d messages", *w, len(s.channel()))
		}
		s.say(busy("19"))
		_, err := send(t, c, sample.Messages(now)[0])
		again, ok := errors.AsType[*holdfast.RetryAfterError](err)
		if !ok || again.After != 19*time.Second || len(*w) != 2 {
			t.Errorf("without room in the deadline: got %v, having waited %v", err, *w)
		}
		s.say(busy("1"), busy("1"), busy("1"), busy("1"), busy("1"))
		if _, err := send(t, c, sample.Messages(now)[0]); err == nil || len(*w) != 5 {
			t.Errorf("always busy: got %v, having waited %v", err, *w)
		}
	})
}

func TestAFaultOfSlacksOwnIsTriedAgainOnce(t *testing.T) {
	both(t, func(t *testing.T, s *server, w *waits, c *slack.Channel) {
		broken := answer{status: 500, body: "<html>rollup_error"}
		s.say(broken)
		if _, err := send(t, c, sample.Messages(now)[0]); err != nil || len(s.channel()) != 1 || len(*w) != 1 {
			t.Fatalf("got %v, %d messages, having waited %v", err, len(s.channel()), *w)
		}
		s.say(broken, broken)
		_, err := send(t, c, sample.Messages(now)[0])
		if err == nil || len(s.channel()) != 1 || err.Error() != "tell slack: it answers with status 500" {
			t.Errorf("got %v with %d messages", err, len(s.channel()))
		}
		s.say(broken)
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := c.Send(ctx, sample.Messages(now)[0]); err == nil || len(*w) != 2 {
			t.Errorf("without room in the deadline: got %v, having waited %v", err, *w)
		}
	})
}

func TestBlocksThatSlackRefusesAreSentAsText(t *testing.T) {
	both(t, func(t *testing.T, s *server, _ *waits, c *slack.Channel) {
		s.picky = true
		for _, m := range append(sample.Messages(now), sample.Hostile(now)...) {
			before := len(s.channel())
			if _, err := send(t, c, m); err != nil {
				t.Fatalf("%s: %v", m.ID, err)
			}
			all := s.channel()
			if len(all) != before+1 || len(all[before].Blocks) != 0 {
				t.Fatalf("%s: not one message without blocks", m.ID)
			}
			if m.ID == sample.Messages(now)[4].ID {
				golden(t, "text-alone.txt", pretty(t, all[before])[len("ts:        1761660000.000001\n"):])
			}
		}
	})
}

func TestWhatSlackSays(t *testing.T) {
	for name, c := range map[string]struct {
		answer       answer
		webhook, bot string
	}{
		"a wrong token": {answer{status: 200, body: `{"ok":false,"error":"invalid_auth"}`},
			"it answers, but not that it has taken the message", "the bot's token is not valid (invalid_auth)"},
		"an unknown channel": {answer{status: 200, body: `{"ok":false,"error":"channel_not_found"}`},
			"", "the channel does not exist, or the bot may not see it (channel_not_found)"},
		"not in the channel": {answer{status: 200, body: `{"ok":false,"error":"not_in_channel"}`},
			"", "the bot is not a member of the channel (not_in_channel)"},
		"a word of the future": {answer{status: 200, body: `{"ok":false,"error":"sunspots_too_many"}`}, "", "it says sunspots_too_many"},
		"a webhook that is gone": {answer{status: 404, body: "no_service"},
			"the webhook does not exist any more (no_service)", "it answers with status 404"},
		"no JSON":                       {answer{status: 200, body: "<html>"}, "it answers, but not that it has taken the message", "invalid character '<' looking for beginning of value"},
		"neither yes nor no":            {answer{status: 200, body: `{}`}, "", "it answers, but not that it has taken the message"},
		"yes, and not where":            {answer{status: 200, body: `{"ok":true}`}, "", "it answers, but not that it has taken the message"},
		"a redirect":                    {answer{status: 302, header: map[string]string{"Location": "/elsewhere"}}, "it answers with status 302", "it answers with status 302"},
		"no, with more than a word":     {answer{status: 403, body: "no: " + hookPath + "\n" + token}, "it answers with status 403", "it answers with status 403"},
		"no in JSON, with all it knows": {answer{status: 200, body: `{"ok":false,"error":"bad token ` + token + `"}`}, "", "it says no: bad token [hidden]"},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, s *server, _ *waits, channel *slack.Channel) {
				want := c.bot
				if strings.HasSuffix(t.Name(), "webhook") {
					want = c.webhook
				}
				if want == "" {
					return
				}
				s.say(c.answer)
				_, err := send(t, channel, sample.Messages(now)[0])
				if err == nil || err.Error() != "tell slack: "+want || len(s.channel()) != 0 {
					t.Errorf("got %v, want tell slack: %s", err, want)
				}
				if n := len(s.called()); n != 1 {
					t.Errorf("asked %d times", n)
				}
			})
		})
	}
}

func TestAServerThatIsNotThere(t *testing.T) {
	both(t, func(t *testing.T, s *server, _ *waits, c *slack.Channel) {
		s.Close()
		_, err := send(t, c, sample.Messages(now)[0])
		if err == nil || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "hook-secret") || strings.Contains(err.Error(), "http") {
			t.Errorf("got %v", err)
		}
	})
}

// chatty is a transport that fails with all it knows.
type chatty struct{}

func (chatty) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	return nil, errors.New("can't send to " + r.URL.String() + ":\n" + string(body))
}

func TestATransportThatSaysTooMuch(t *testing.T) {
	for name, o := range map[string]slack.Options{
		"webhook": {Webhook: secret.New("https://hooks.example.com" + hookPath)},
		"bot":     {Token: secret.New(token), Channel: channelID},
	} {
		o.HTTP = &http.Client{Transport: chatty{}}
		_, err := send(t, open(t, o), sample.Messages(now)[0])
		if err == nil || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "hook-secret-0123") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
