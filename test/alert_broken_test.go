package test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// sendTime is how long a channel is tried in a run, and tellTime how much longer a
// run takes that tells of a channel that has turned out to fail.
const (
	sendTime = 20 * time.Second
	tellTime = 5 * time.Second
)

// breaks adds channels that take nothing to a site whose only other channels are
// pager and phone: one does not answer, where hung is given, one refuses, where down
// is, and of one the secret is missing, where lost is set.
func (w *watchedSite) breaks(down, hung *receiver, lost bool) {
	w.t.Helper()
	w.people.channels = w.people.channels[3:]
	yaml := w.people.pager.yaml() + "    phone: { shoutrrr: { url: \"file:phone.url\" } }\n"
	if lost {
		yaml += "    lost: { webhook: { url: \"file:lost.url\" } }\n"
	}
	for name, r := range map[string]*receiver{"down": down, "hung": hung} {
		if r != nil {
			write(w.t, filepath.Join(w.dir, name+".url"), r.URL, 0o600)
			yaml += fmt.Sprintf("    %s: { webhook: { url: \"file:%[1]s.url\" } }\n", name)
		}
	}
	w.more = w.alerts(w.pulse, yaml)
}

func refuse(w http.ResponseWriter, _ *http.Request) bool {
	http.Error(w, "out of order", http.StatusInternalServerError)
	return true
}

func TestChannelsThatTakeNothingHoldUpNothingAndAreToldOfByTheOthers(t *testing.T) {
	t.Parallel()
	w := newWatchedSite(t, "  crm: {}\n  shop: {}\n")
	path := w.customers("app", 10)
	h := w.addHost("web1", []string{"crm", "shop"}, dumps("crm", path)+dumps("shop", path))
	down, hung := newReceiver(t), newReceiver(t)
	w.breaks(down, hung, false)
	down.let(refuse)
	answer := hung.hold()
	w.begin()
	w.push(h)
	w.forward(25 * time.Hour)
	w.push(h, "shop")
	w.pulse.wait(1)
	w.forward(2 * time.Hour)
	w.tells("[critical] web1/crm: the newest good backup is 27h old")
	waitFor(t, "the channel that hangs", func() bool { return len(hung.sent()) > 0 })

	rounds, begun := w.pulse.ended(), time.Now()
	w.push(h, "shop")
	if took := time.Since(begun); w.pulse.ended() > rounds || took > sendTime/2 {
		t.Errorf("a backup took %s while a channel was hanging, %d rounds ended", took, w.pulse.ended()-rounds)
	}
	w.tells(`[2 changes] vault: channel "down" does not take messages: …status 500…; and 1 more`)
	w.push(h, "crm")
	w.tells("[resolved] web1/crm: the newest good backup is 27h old")
	if longest := w.pulse.longest(); longest > sendTime+tellTime+3*time.Second || longest < sendTime {
		t.Errorf("the longest round took %s, want about %s", longest, sendTime+tellTime)
	}
	if n := w.pulse.count("failure"); n > 0 {
		t.Errorf("%d rounds count as failed, though people were told", n)
	}

	down.let(nil)
	answer()
	var over []string
	waitWith(t, "their recovery", func() bool {
		over = w.people.pager.items(t)[4:]
		return len(over) >= 2
	}, func() string { return fmt.Sprintf("%q\n%s", over, w.log.tail()) })
	w.pulse.wait(2)
	over = w.people.pager.items(t)[4:]
	if want := slices.Repeat([]string{"resolved vault channel"}, 2); !slices.Equal(over, want) {
		t.Errorf("told of their recovery: %q, want %q", over, want)
	}
	for name, r := range map[string]*receiver{"down": down, "hung": hung} {
		if !slices.ContainsFunc(r.taken(), func(m request) bool { return strings.Contains(string(m.body), `"job":"crm"`) }) {
			t.Errorf("%s has not been told what it missed, in %d messages", name, len(r.taken()))
		}
	}
}

// lost is what the others are told of the channel of which the secret is missing.
const lost = `[critical] vault: channel "lost" does not take messages: read secret: …`

func TestAChannelWithoutItsSecretIsToldOfAtOnceAndHealsByItself(t *testing.T) {
	t.Parallel()
	w := newWatchedSite(t, "  crm: { expect: { every: 1h } }\n")
	h := w.addHost("web1", []string{"crm"}, dumps("crm", w.customers("app", 10)))
	w.breaks(nil, nil, true)
	w.begin()
	w.tells(lost)
	found := newReceiver(t)
	write(t, filepath.Join(w.dir, "lost.url"), found.URL, 0o600)
	w.push(h)
	w.forward(2 * time.Hour)
	w.tells("[critical] web1/crm: the newest good backup is 2h old", "[resolved]"+strings.TrimPrefix(lost, "[critical]"))
	if len(found.taken()) == 0 {
		t.Error("it has healed, and was told nothing")
	}
}

func TestTheExitCodeOfMonitorIsThatOfTheJudgingWhateverChannelsDo(t *testing.T) {
	t.Parallel()
	w := newWatchedSite(t, "  crm: {}\n")
	h := w.addHost("web1", []string{"crm"}, dumps("crm", w.customers("app", 10)))
	down := newReceiver(t)
	w.breaks(down, nil, true)
	down.let(refuse)
	w.begin()
	w.tells(lost, `[critical] vault: channel "down" does not take messages: …`)
	w.push(h)
	w.forward(27 * time.Hour)
	w.tells("[critical] web1/crm: the newest good backup is 27h old", `[reminder] vault: channel "down" does not take messages: …`,
		"[reminder]"+strings.TrimPrefix(lost, "[critical]"))
	w.push(h)
	w.tells("[resolved] web1/crm: the newest good backup is 27h old")
	if code := w.stop(); code != 0 {
		t.Errorf("the server ended with %d", code)
	}

	// As cron runs it where there is no server.
	w.people.pager.linkless = true
	tried := len(down.sent())
	r := w.want(w.operator("monitor", "--alert", "--quiet"), 0)
	if len(down.sent()) == tried || !strings.Contains(r.errOut, "down") || !strings.Contains(r.errOut, "lost") || r.out != "" {
		t.Errorf("%d requests; it prints %q, %q", len(down.sent())-tried, r.out, r.errOut)
	}
	w.unchanged()
	w.forward(27 * time.Hour)
	w.want(w.operator("monitor", "--alert", "--quiet"), 1)
	w.tells("[critical] web1/crm: the newest good backup is 27h old", `[reminder] vault: channel "down" does not take messages: …`,
		"[reminder]"+strings.TrimPrefix(lost, "[critical]"))
	w.want(w.operator("monitor", "--alert", "--quiet"), 1)
	w.unchanged()
	down.let(nil)
	write(t, filepath.Join(w.dir, "lost.url"), down.URL, 0o600)
	w.want(w.operator("monitor", "--alert", "--quiet"), 1)
	w.tells(`[resolved] vault: channel "down" does not take messages: …`, "[resolved]"+strings.TrimPrefix(lost, "[critical]"))
}

func TestASampleOfEverythingReachesEveryChannel(t *testing.T) {
	t.Parallel()
	w := newWatchedSite(t, "  crm: {}\n")
	w.addHost("web1", []string{"crm"}, "  crm: {}\n")
	w.writeConfig()
	if r := w.want(w.operator("alert", "test"), 0); strings.Count(r.out, ": 12 of 12 messages sent\n") != len(w.people.channels) {
		t.Errorf("alert test prints\n%s", r.out)
	}
	for _, c := range w.people.channels {
		all := c.subjects(t)
		if len(all) != 12 {
			t.Errorf("%s was told %d things, want 12", c.name(), len(all))
		}
		if c.name() != "mail" && slices.ContainsFunc(all, func(s string) bool { return !strings.HasPrefix(s, "[sample] ") }) {
			t.Errorf("%s was told what is not marked as a sample: %q", c.name(), all)
		}
	}
	w.people.pager.let(refuse)
	if r := w.want(w.operator("alert", "test", "pager", "--first"), 1); !strings.Contains(r.out, "pager: 0 of 1 messages sent: tell webhook: it answers with status 500") {
		t.Errorf("alert test prints\n%s", r.out)
	}
}
