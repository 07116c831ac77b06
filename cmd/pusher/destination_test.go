package main

import (
	"slices"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/push"
)

func TestARunThatLeavesADestinationOutPingsNothing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		to    []string
		want  []string
		pings bool
	}{
		{"all of them, in another order", []string{"nas", "broker"}, []string{"broker", "nas"}, true},
		{"one of two", []string{"nas"}, []string{"nas"}, false},
		{"none that it goes to", []string{"attic"}, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			job := push.Job{To: []string{"broker", "nas"}, Heartbeat: push.Heartbeat{Success: "https://hc.example.com/1"}}
			some := limit(&job, tt.to)
			if !slices.Equal(job.To, tt.want) || some != (len(tt.want) > 0) || (job.Heartbeat.Success != "") != tt.pings {
				t.Errorf("got %v, %+v; want %v, and pings: %v", some, job, tt.want, tt.pings)
			}
		})
	}
}

func TestWhatIsKeptHereIsNotJudgedByASchedule(t *testing.T) {
	policy, err := keeping(config.Keep{Last: config.KeepValue{Number: 3}})
	if err != nil {
		t.Fatal(err)
	}
	if policy.Keep.Form != holdfast.Counts || policy.Keep.Counts.Last != 3 || policy.Keep.MinKeep != holdfast.DefaultMinKeep {
		t.Errorf("got %+v", policy.Keep)
	}
	if e := policy.Expect; !e.Every.IsZero() || e.Shrink != 0.5 || e.Grow != 3 {
		t.Errorf("got %+v, want sizes judged and no time", e)
	}
}
