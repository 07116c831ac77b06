package config

import (
	"cmp"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// What a job is asked where the configuration says nothing.
const (
	defaultMaxSize   = holdfast.Size(100e9) // bytes
	defaultMaxPerDay = 24
	defaultShrink    = 0.5
	defaultGrow      = 3.0
)

// Policy returns what is asked of the job, with the defaults filled in. The
// zero Job is one without an entry: kept whole, and expected daily.
func (j Job) Policy() (holdfast.Policy, error) {
	zone, err := location(j.TimeZone)
	if err != nil {
		return holdfast.Policy{}, err
	}
	return holdfast.Policy{
		Keep:   j.Keep.policy(zone),
		Expect: j.Expect.policy(),
		Quota: holdfast.Quota{
			MaxSize:   cmp.Or(j.MaxSize, defaultMaxSize),
			MaxPerDay: cmp.Or(j.MaxPerDay, defaultMaxPerDay),
		},
	}, nil
}

func (k Keep) policy(zone *time.Location) holdfast.Keep {
	keep := holdfast.Keep{
		Windows: holdfast.KeepWindows{
			All: k.All.Length, Daily: k.Daily.Length, Weekly: k.Weekly.Length,
			Monthly: k.Monthly.Length, Yearly: k.Yearly.Length,
		},
		Counts: holdfast.KeepCounts{
			Last: k.Last.Number, Hourly: k.Hourly.Number, Daily: k.Daily.Number,
			Weekly: k.Weekly.Number, Monthly: k.Monthly.Number, Yearly: k.Yearly.Number,
		},
		MaxTotal: k.MaxTotal,
		MinKeep:  cmp.Or(k.MinKeep, holdfast.DefaultMinKeep),
		Location: zone,
	}
	for _, rule := range k.values() {
		if form := rule.value.Form(); form != holdfast.KeepAll {
			keep.Form = form // check has seen that they agree
		}
	}
	return keep
}

func (e Expect) policy() holdfast.Expect {
	expect := holdfast.Expect{
		Every:    cmp.Or(e.Every, holdfast.Span{N: 24, Unit: holdfast.Hour}),
		MinSize:  e.MinSize,
		MaxTotal: e.MaxTotal,
		MinCount: e.MinCount,
		Shrink:   defaultShrink,
		Grow:     defaultGrow,
	}
	if e.Shrink != nil {
		expect.Shrink = *e.Shrink
	}
	if e.Grow != nil {
		expect.Grow = *e.Grow
	}
	expect.Grace = twelfth(expect.Every)
	if e.Grace != nil {
		expect.Grace = *e.Grace
	}
	return expect
}

// twelfth returns a twelfth of s, in the largest unit that says it in whole numbers.
func twelfth(s holdfast.Span) holdfast.Span {
	length := s.Duration() / 12
	switch {
	case length%time.Hour == 0:
		return holdfast.Span{N: int(length / time.Hour), Unit: holdfast.Hour}
	case length%time.Minute == 0:
		return holdfast.Span{N: int(length / time.Minute), Unit: holdfast.Minute}
	}
	return holdfast.Span{N: int(length / time.Second), Unit: holdfast.Second}
}
