package monitor

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

func TestHistories(t *testing.T) {
	const mb = 1_000_000
	tests := []struct {
		name    string
		arrange func(h *house)
		want    []string
	}{
		{"a job with a backup a day is well", func(h *house) { h.daily(20, mb) }, nil},
		{"an empty vault of which nothing is expected is well", func(h *house) {}, nil},

		{"a backup exactly as old as every and grace is fresh", func(h *house) { h.pushSize(26*time.Hour, mb) }, nil},
		{"a second more is stale", func(h *house) { h.pushSize(26*time.Hour+time.Second, mb) }, []string{"critical web1/crm fresh"}},
		{"an expectation in hours is watched in hours", func(h *house) {
			h.policy.Expect.Every, h.policy.Expect.Grace = holdfast.Span{N: 1, Unit: holdfast.Hour}, holdfast.Span{N: 5, Unit: holdfast.Minute}
			h.pushSize(66*time.Minute, mb)
		}, []string{"critical web1/crm fresh"}},
		{"a backup of tomorrow makes nothing fresh", func(h *house) {
			h.pushSize(40*time.Hour, mb)
			h.pushSize(-day, mb)
		}, []string{"critical web1/crm fresh", "warning web1/crm future"}},
		{"an unfinished backup makes nothing fresh", func(h *house) {
			h.pushSize(40*time.Hour, mb)
			h.vault.remove(h.pushSize(time.Hour, mb).ManifestKey())
		}, []string{"critical web1/crm fresh"}},
		{"a backup with a forged manifest makes nothing fresh", func(h *house) {
			h.pushSize(40*time.Hour, mb)
			h.store(holdfast.Ref{Host: "web1", Job: "crm", ID: h.id(h.now)}, otherKey(), dump{file: "a.age", size: mb})
		}, []string{"critical web1/crm fresh", "critical web1/crm manifest"}},

		{"a backup of the minimum size is large enough", func(h *house) { h.pushSize(time.Hour, 1000) }, nil},
		{"a byte less is too small", func(h *house) { h.pushSize(time.Hour, 999) }, []string{"critical web1/crm min-size"}},
		{"only the newest backup has to have the minimum size", func(h *house) { h.daily(1, 10); h.pushSize(0, 1000) }, nil},

		{"half of the usual size is not shrunk", func(h *house) { h.daily(10, mb); h.pushSize(0, mb/2) }, nil},
		{"less than half is", func(h *house) { h.daily(10, mb); h.pushSize(0, mb/2-1) }, []string{"warning web1/crm size-shrunk"}},
		{"three times the usual size is not grown", func(h *house) { h.daily(10, mb); h.pushSize(0, 3*mb) }, nil},
		{"more than that is", func(h *house) { h.daily(10, mb); h.pushSize(0, 3*mb+1) }, []string{"warning web1/crm size-grown"}},
		{"ratios of zero check nothing", func(h *house) {
			h.policy.Expect.Shrink, h.policy.Expect.Grow = 0, 0
			h.daily(10, mb)
			h.pushSize(0, 1000)
		}, nil},
		{"two earlier backups say nothing about what is usual", func(h *house) { h.daily(2, mb); h.pushSize(0, 1000) }, nil},
		{"three do", func(h *house) { h.daily(3, mb); h.pushSize(0, 1000) }, []string{"warning web1/crm size-shrunk"}},
		{"three of the same day do", func(h *house) {
			for range 3 {
				h.pushSize(time.Hour, mb)
			}
			h.pushSize(0, 1000)
		}, []string{"warning web1/crm size-shrunk"}},
		{"one outlier does not move what is usual", func(h *house) {
			h.daily(5, mb)
			h.pushSize(12*time.Hour, 1000*mb)
			h.pushSize(0, mb)
		}, nil},
		{"a day of garbage does not become usual", func(h *house) {
			h.daily(20, mb)
			for i := range 48 {
				h.pushSize(13*time.Hour-time.Duration(i)*time.Minute, 2000)
			}
		}, []string{"warning web1/crm size-shrunk"}},
		{"six days of garbage beside nothing else do not either", func(h *house) {
			for d := 20; d >= 7; d-- {
				h.pushSize(time.Duration(d)*day, mb)
			}
			for i := range 6 * 48 {
				h.pushSize(6*day-time.Duration(i)*30*time.Minute, 2000)
			}
		}, []string{"warning web1/crm size-shrunk"}},
		{"garbage after every genuine backup of ten days does not either", func(h *house) {
			for d := 20; d >= 0; d-- {
				h.pushSize(time.Duration(d)*day+12*time.Hour, mb)
				for i := range 2 {
					if d < 10 {
						h.pushSize(time.Duration(d)*day+11*time.Hour-time.Duration(i)*10*time.Minute, 2000)
					}
				}
			}
		}, []string{"warning web1/crm size-shrunk"}},
		{"a job that grows with every day is well", func(h *house) {
			for d := 20; d >= 0; d-- {
				h.pushSize(time.Duration(d)*day, int64(mb*(40-d)))
			}
		}, nil},

		{"a database that became empty is seen beside large media", func(h *house) {
			h.pairs(10, 20*mb, 4000*mb)
			h.pair(0, 2000, 4000*mb)
		}, []string{"warning web1/crm size-shrunk"}},
		{"and one that grew as well", func(h *house) {
			h.pairs(10, 20*mb, 4000*mb)
			h.pair(0, 70*mb, 4000*mb)
		}, []string{"warning web1/crm size-grown"}},
		{"a database that became empty for days stays seen", func(h *house) {
			h.pairs(10, 20*mb, 4000*mb)
			h.now = h.now.Add(6 * day)
			h.pairs(6, 2000, 4000*mb)
		}, []string{"warning web1/crm size-shrunk"}},
		{"a small source that is added is well", func(h *house) { h.daily(10, 4000*mb); h.pair(0, 2000, 4000*mb, "crm.sql.zst.age") }, nil},
		{"a large one is seen", func(h *house) { h.daily(10, mb); h.pair(0, 4000*mb, mb, "crm.sql.zst.age") }, []string{"warning web1/crm size-grown"}},
		{"a database that is lacking is a warning at once", func(h *house) {
			h.pairs(10, 20*mb, 4000*mb)
			h.push(0, dump{file: "media.tar.zst.age", size: 4000 * mb})
		}, []string{"warning web1/crm streams"}},
		{"and critical once the last one is too old", func(h *house) {
			h.pairs(10, 20*mb, 4000*mb)
			h.now = h.now.Add(2*time.Hour + time.Second)
			h.push(0, dump{file: "media.tar.zst.age", size: 4000 * mb})
		}, []string{"critical web1/crm streams"}},
		{"a few days later still", func(h *house) {
			h.pairs(20, 20*mb, 4000*mb)
			h.now = h.now.Add(7 * day)
			for d := 7; d >= 0; d-- {
				h.push(time.Duration(d)*day, dump{file: "media.tar.zst.age", size: 4000 * mb})
			}
		}, []string{"critical web1/crm streams"}},
		{"a week later it is usual", func(h *house) {
			h.pairs(20, 20*mb, 4000*mb)
			h.now = h.now.Add(8 * day)
			for d := 8; d >= 0; d-- {
				h.push(time.Duration(d)*day, dump{file: "media.tar.zst.age", size: 4000 * mb})
			}
		}, nil},
		{"another compression is no other file", func(h *house) {
			h.daily(10, mb)
			h.push(0, dump{file: "crm.sql.gz.age", size: mb + mb/10})
		}, nil},
		{"parts with schedules of their own are well", func(h *house) {
			for d := 20; d >= 0; d-- {
				h.push(time.Duration(d)*day+time.Hour, dump{file: "crm.sql.zst.age", size: mb})
				h.push(time.Duration(d)*day, dump{file: "media.tar.zst.age", size: 4000 * mb})
			}
		}, nil},
		{"unless one of them does not come any more", func(h *house) {
			for d := 20; d >= 0; d-- {
				if d > 1 {
					h.push(time.Duration(d)*day+time.Hour, dump{file: "crm.sql.zst.age", size: mb})
				}
				h.push(time.Duration(d)*day, dump{file: "media.tar.zst.age", size: 4000 * mb})
			}
		}, []string{"critical web1/crm streams"}},

		{"dumps that stop compressing are critical", func(h *house) {
			h.ratios(6, 6, 6, 6, 1.0)
		}, []string{"critical web1/crm compression"}},
		{"dumps that compress less than half as well are a warning", func(h *house) {
			h.ratios(6, 6, 6, 6, 2.9)
		}, []string{"warning web1/crm compression"}},
		{"dumps that compress a little worse are well", func(h *house) { h.ratios(6, 6, 6, 6, 3.1) }, nil},
		{"media that never compressed are well", func(h *house) { h.ratios(1.01, 1.0, 1.02, 1.0, 0.99) }, nil},
		{"a small database that is encrypted is seen beside large media", func(h *house) {
			for d := 5; d >= 0; d-- {
				db := dump{file: "crm.sql.zst.age", size: mb, ratio: 6}
				if d == 0 {
					db.ratio = 1
				}
				h.push(time.Duration(d)*day, db, dump{file: "media.tar.zst.age", size: 100 * mb, ratio: 1})
			}
		}, []string{"critical web1/crm compression"}},

		{"a plain size out of all proportion is well, and no crash", func(h *house) {
			for d := 5; d >= 0; d-- {
				h.push(time.Duration(d)*day, dump{file: "crm.sql.zst.age", size: 2000, ratio: 1 << 38})
			}
		}, nil},
		{"a plain size of next to nothing is a ratio too", func(h *house) {
			h.ratios(6, 6, 6, 6, 0.00001)
		}, []string{"critical web1/crm compression"}},

		{"media that are encrypted are seen beside a database", func(h *house) {
			for d := 5; d >= 0; d-- {
				media := dump{file: "media.tar.zst.age", size: 100 * mb, ratio: 3}
				if d == 0 {
					media.ratio = 1
				}
				h.push(time.Duration(d)*day, dump{file: "crm.sql.zst.age", size: mb, ratio: 6}, media)
			}
		}, []string{"critical web1/crm compression"}},

		{"a total at its bound is well", func(h *house) { h.policy.Expect.MaxTotal = 2*mb + 2*2000; h.daily(2, mb) }, nil},
		{"a byte more is a warning", func(h *house) { h.policy.Expect.MaxTotal = 2*mb + 2*2000 - 1; h.daily(2, mb) },
			[]string{"warning web1/crm max-total"}},
		{"unfinished backups count towards the total", func(h *house) {
			h.policy.Expect.MaxTotal = 2 * mb
			h.daily(1, mb)
			h.vault.remove(h.pushSize(0, 2*mb).ManifestKey())
		}, []string{"warning web1/crm max-total"}},
		{"enough backups are well", func(h *house) { h.policy.Expect.MinCount = 3; h.daily(3, mb) }, nil},
		{"too few are a warning", func(h *house) { h.policy.Expect.MinCount = 4; h.daily(3, mb) }, []string{"warning web1/crm min-count"}},
		{"bad ones do not count", func(h *house) {
			h.policy.Expect.MinCount = 3
			h.daily(2, mb)
			h.store(holdfast.Ref{Host: "web1", Job: "crm", ID: h.id(h.now.Add(-3 * day))}, otherKey(), dump{file: "a.age", size: mb})
		}, []string{"critical web1/crm manifest", "warning web1/crm min-count"}},

		{"a missing data object is critical", func(h *house) {
			ref := h.push(time.Hour, dump{file: "a.sql.age", size: mb}, dump{file: "b.tar.age", size: mb})
			h.vault.remove(ref.Key("b.tar.age"))
			h.pushSize(0, mb)
		}, []string{"critical web1/crm stored-size"}},
		{"a manifest that is left alone is critical", func(h *house) {
			ref := h.pushSize(time.Hour, mb)
			h.vault.remove(ref.Key("crm.sql.zst.age"))
			h.pushSize(0, mb)
		}, []string{"critical web1/crm stored-size"}},
		{"a data object a byte too short is critical", func(h *house) {
			ref := h.pushSize(time.Hour, mb)
			h.vault.putLazy(ref.Key("crm.sql.zst.age"), mb-1, start, nil)
			h.pushSize(0, mb)
		}, []string{"critical web1/crm stored-size"}},
		{"an object that the manifest does not name is a warning", func(h *house) {
			h.vault.put(h.pushSize(time.Hour, mb).Key("extra.age"), []byte("x"), start)
		}, []string{"warning web1/crm stored-size"}},
		{"a backup without its data makes nothing fresh", func(h *house) {
			h.pushSize(40*time.Hour, mb)
			h.vault.remove(h.pushSize(0, mb).Key("crm.sql.zst.age"))
		}, []string{"critical web1/crm fresh", "critical web1/crm stored-size"}},

		{"a manifest that is no manifest is critical", func(h *house) {
			h.vault.put(h.pushSize(time.Hour, mb).ManifestKey(), []byte("{}"), start)
			h.pushSize(0, mb)
		}, []string{"critical web1/crm manifest"}},
		{"a manifest of another backup is critical", func(h *house) {
			other, ref := h.pushSize(time.Hour, mb), h.pushSize(2*time.Hour, mb)
			h.vault.objects[ref.ManifestKey()] = h.vault.objects[other.ManifestKey()]
		}, []string{"critical web1/crm manifest"}},
		{"a manifest that the vault calls corrupt is critical", func(h *house) {
			ref := h.pushSize(time.Hour, mb)
			h.pushSize(0, mb)
			h.vault.failOpen = failOn(ref.ManifestKey(), fmt.Errorf("read: %w", holdfast.ErrCorrupt))
		}, []string{"critical web1/crm manifest"}},
		{"a manifest that cannot be read is critical", func(h *house) {
			h.vault.failOpen = failOn(h.pushSize(0, mb).ManifestKey(), fmt.Errorf("access denied"))
		}, []string{"critical web1/crm manifest"}},
		{"a manifest that the reader cannot bear is critical and ends nothing else", func(h *house) {
			ref := h.pushSize(time.Hour, mb)
			h.pushSize(0, 10)
			h.vault.failOpen = func(key string) error {
				if key == ref.ManifestKey() {
					panic("out of range")
				}
				return nil
			}
		}, []string{"critical web1/crm manifest", "critical web1/crm min-size"}},
		{"a host without a key is critical", func(h *house) {
			h.opts.HostKeys = func(string) []ed25519.PublicKey { return nil }
			h.pushSize(0, mb)
		}, []string{"critical web1/crm manifest"}},
		{"a backup that retention deletes meanwhile is no finding", func(h *house) {
			ref := h.pushSize(time.Hour, mb)
			h.pushSize(0, mb)
			h.vault.failOpen = failOn(ref.ManifestKey(), fmt.Errorf("open: %w", holdfast.ErrNotExist))
		}, nil},

		{"a failure after the newest backup is a warning", func(h *house) { h.pushSize(2*time.Hour, mb); h.fail(time.Hour, "exit status 1") },
			[]string{"warning web1/crm failed-run"}},
		{"a failure before it is not", func(h *house) { h.fail(2*time.Hour, "exit status 1"); h.pushSize(time.Hour, mb) }, nil},
		{"a job whose first run failed is noticed", func(h *house) { h.fail(time.Hour, "exit status 1") },
			[]string{"warning web1/crm failed-run"}},
		{"a drill report is no failed run", func(h *house) {
			h.pushSize(2*time.Hour, mb)
			h.report(time.Hour, holdfast.Report{Kind: holdfast.ReportDrill})
		}, nil},
		{"a failure is seen behind a drill report", func(h *house) {
			h.pushSize(2*time.Hour, mb)
			h.fail(time.Hour, "exit status 1")
			h.report(0, holdfast.Report{Kind: holdfast.ReportDrill, OK: true})
		}, []string{"warning web1/crm failed-run"}},
		{"a report that cannot be understood is a failed run", func(h *house) {
			h.pushSize(2*time.Hour, mb)
			h.vault.put(holdfast.ReportKey("web1", "crm", h.id(h.now)), []byte("garbage"), h.now)
		}, []string{"warning web1/crm failed-run"}},
		{"a report that is too large is a failed run", func(h *house) {
			h.pushSize(2*time.Hour, mb)
			h.vault.put(holdfast.ReportKey("web1", "crm", h.id(h.now)), make([]byte, maxReportBody+1), h.now)
		}, []string{"warning web1/crm failed-run"}},
		{"a report of tomorrow is ignored", func(h *house) { h.pushSize(2*time.Hour, mb); h.fail(-day, "exit status 1") }, nil},
		{"a flood of reports is noticed", func(h *house) {
			for range maxReports + 1 {
				h.fail(time.Hour, "flood")
			}
			h.pushSize(0, mb)
		}, []string{"warning web1/crm reports"}},

		{"an unfinished backup of three days is well", func(h *house) {
			h.vault.remove(h.pushSize(3*day, mb).ManifestKey())
			h.pushSize(0, mb)
		}, nil},
		{"an object that belongs to no backup is a warning", func(h *house) {
			h.pushSize(0, mb)
			h.vault.put("backups/web1/crm/notes.txt", []byte("x"), start)
		}, []string{"warning web1/crm stray"}},
		{"an object that belongs to no job is a warning for the vault", func(h *house) {
			h.pushSize(0, mb)
			h.vault.put("backups/notes.txt", []byte("x"), start)
		}, []string{"warning vault stray"}},
		{"a job without a policy is not judged", func(h *house) {
			h.opts.Policies = func(string, string) (holdfast.Policy, bool) { return holdfast.Policy{}, false }
			h.pushSize(100*day, 1)
		}, nil},
		{"Only leaves other jobs alone", func(h *house) {
			h.opts.Only = func(host, job string) bool { return job == "media" }
			h.pushSize(100*day, 1)
			h.vault.put("backups/notes.txt", []byte("x"), start)
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			tt.arrange(h)
			want := append([]string{}, tt.want...)
			// A second run has the same to say, from its memory.
			for _, which := range []string{"first", "second"} {
				got := states(h.run())
				slices.Sort(got)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s run, findings (-want +got):\n%s", which, diff)
				}
			}
		})
	}
}

// pair stores a backup of a database and media.
func (h *house) pair(ago time.Duration, db, media int64, files ...string) {
	name := "media.tar.zst.age"
	if len(files) > 0 {
		name = files[0]
	}
	h.push(ago, dump{file: "db.sql.zst.age", size: db}, dump{file: name, size: media})
}

// pairs does so a day for n days up to yesterday.
func (h *house) pairs(n int, db, media int64) {
	for d := n; d >= 1; d-- {
		h.pair(time.Duration(d)*day, db, media)
	}
}

// ratios stores a backup a day up to now that compress like this.
func (h *house) ratios(ratios ...float64) {
	for i, ratio := range ratios {
		h.push(time.Duration(len(ratios)-1-i)*day, dump{file: "crm.sql.zst.age", size: 100_000, ratio: ratio})
	}
}

func (h *house) state() *state {
	h.t.Helper()
	st, err := decodeState(h.vault.objects[StateKey].body())
	if err != nil {
		h.t.Fatal(err)
	}
	return st
}

func otherKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) }

func failOn(key string, err error) func(string) error {
	return func(k string) error {
		if k == key {
			return err
		}
		return nil
	}
}
