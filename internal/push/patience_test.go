package push

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

func TestAServerThatIsDownForMinutesIsWaitedForWhereNobodyElseIsHeldUp(t *testing.T) {
	c := newClockOnly()
	nas, box := newPlace(c), newPlace(c)
	began := c.Now()
	down := func(string, string) error {
		if c.Now().Sub(began) < 5*time.Minute {
			return errors.New("connection refused")
		}
		return nil
	}
	nas.Fault, box.Fault = down, down
	job := testJob(t, &fakeSource{file: "crm.sql", data: []byte("data")})
	out := Run(t.Context(), job, Deps{
		Destinations: []Destination{nas.to("nas"), box.to("box")}, Now: c.Now, Sleep: c.Sleep, SignManifest: func(m holdfast.Manifest) ([]byte, error) { return json.Marshal(m) },
	})
	if out.Status != OK {
		t.Errorf("got %+v", out)
	}
}
