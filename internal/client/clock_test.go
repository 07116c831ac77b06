package client

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

func TestWrongClockIsSaidInWords(t *testing.T) {
	clock := func(now time.Time) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			writeJSON(t, w, http.StatusUnauthorized, api.ProblemType, api.Problem{Type: api.ProblemClock, Title: "clocks differ", Now: now})
		}
	}
	dated := func(now time.Time, then func(http.ResponseWriter)) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
			then(w)
		}
	}
	bare := func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) }
	cases := map[string]struct {
		answer func(http.ResponseWriter)
		want   string // "": no ClockError
	}{
		"behind":                       {clock(noon.Add(7 * time.Minute)), "this host's clock is 7m behind the broker's"},
		"ahead":                        {clock(noon.Add(-time.Hour)), "this host's clock is 1h ahead of the broker's"},
		"by Date, where now is absent": {dated(noon.Add(-90*time.Minute), clock(time.Time{})), "this host's clock is 1h30m ahead of the broker's"},
		"by Date, of a gateway":        {dated(noon.Add(72*time.Hour), bare), "this host's clock is 3d behind the broker's"},
		"now counts more than Date":    {dated(noon.Add(time.Hour), clock(noon.Add(95*time.Second))), "this host's clock is 95s behind the broker's"},
		"clocks that agree":            {dated(noon.Add(time.Second), bare), ""},
		"clocks that agree by now":     {clock(noon.Add(20 * time.Second)), ""},
		"another fault of the token": {dated(noon.Add(time.Hour), func(w http.ResponseWriter) {
			writeJSON(t, w, http.StatusUnauthorized, api.ProblemType, api.Problem{Type: api.ProblemToken, Title: "unauthorized", Now: noon.Add(time.Hour)})
		}), ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c, broker, _ := newClient(t, "", func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) { tc.answer(w) })
			_, err := c.Report(t.Context(), holdfast.Report{})
			if calls, _ := broker.seen(); err == nil || calls != 1 {
				t.Fatalf("got %v after %d calls, want an error after 1", err, calls)
			}
			clock, ok := errors.AsType[*ClockError](err)
			if ok != (tc.want != "") {
				t.Fatalf("got %v, want a ClockError: %t", err, tc.want != "")
			}
			if ok && clock.Error() != tc.want {
				t.Errorf("got %q, want %q", clock.Error(), tc.want)
			}
		})
	}
}

func TestSkewIsMeasuredAgainstTheMiddleOfTheCall(t *testing.T) {
	sick := api.Health{Now: noon.Add(10 * time.Minute), Vaults: map[string]string{"main": "does not answer"}}
	c, _, _ := newClient(t, "", func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) {
		writeJSON(t, w, http.StatusServiceUnavailable, "application/json", sick)
	})
	ticks := 0
	c.now = func() time.Time {
		ticks++
		return noon.Add(time.Duration(ticks) * 4 * time.Second)
	}
	got, err := c.Skew(t.Context())
	if want := 6*time.Second - 10*time.Minute; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	health, err := c.Health(t.Context())
	if err != nil || health.OK || health.Vaults["main"] == "" {
		t.Errorf("got %+v, %v, want a broker that says what is wrong", health, err)
	}
}

func TestLengthsOfTimeAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 95 * time.Second: "95s", 7*time.Minute + 29*time.Second: "7m", time.Hour: "1h", 10 * time.Hour: "10h",
		26*time.Hour + 20*time.Minute: "26h20m", 49 * time.Hour: "2d", 400 * 24 * time.Hour: "400d",
	} {
		if got := fmt.Sprint(short(d)); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}
