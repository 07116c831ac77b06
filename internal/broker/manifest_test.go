package broker

import (
	"net/http"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

func TestManifestThatDoesNotFitIsNotCommitted(t *testing.T) {
	full := holdfast.PartSize(1, holdfast.MaxParts)
	cases := map[string]struct {
		change func(*holdfast.Manifest)
		key    string // that signs; web1's unless named
		status int
	}{
		"signed by another host": {change: func(*holdfast.Manifest) {}, key: "db1"},
		"of another job":         {change: func(m *holdfast.Manifest) { m.Job = "media" }},
		"of another host":        {change: func(m *holdfast.Manifest) { m.Host = "db1" }},
		"of a chosen id": {change: func(m *holdfast.Manifest) {
			m.ID = "20991231T235959Z-00000000"
			m.Started = m.ID.Time()
		}},
		"of a stream that was not begun": {change: func(m *holdfast.Manifest) { m.Streams[0].Name = "crm2" }},
		"of a file that was not begun":   {change: func(m *holdfast.Manifest) { m.Streams[0].File = "x.sql.zst.age" }},
		"with a stream more": {change: func(m *holdfast.Manifest) {
			s := m.Streams[0]
			s.Name, s.File = "more", "more.sql.zst.age"
			m.Streams = append(m.Streams, s)
		}},
		"with a part that was not sent": {change: func(m *holdfast.Manifest) { m.Streams[0].Parts[0].Sum = sum("other") }},
		"with another size": {change: func(m *holdfast.Manifest) {
			m.Streams[0].Parts[0].Size, m.Streams[0].StoredSize = 21, 21
		}},
		"with another checksum": {change: func(m *holdfast.Manifest) {
			m.Streams[0].Checksum, m.Streams[0].Parts[0].Sum = holdfast.ChecksumMD5, sum("x")[:32]
		}},
		"with a short part in between": {change: func(m *holdfast.Manifest) {
			m.Streams[0].Parts = append(m.Streams[0].Parts, holdfast.Part{Number: 2, Size: 1, Sum: sum("x")})
			m.Streams[0].StoredSize++
		}},
		"with a part too long for its number": {change: func(m *holdfast.Manifest) {
			m.Streams[0].Parts[0].Size, m.Streams[0].StoredSize = full+1, full+1
		}},
		"larger than max_size": {status: http.StatusRequestEntityTooLarge, change: func(m *holdfast.Manifest) {
			s := &m.Streams[0]
			s.Parts, s.StoredSize = nil, 0
			for n := 1; s.StoredSize <= 1<<30; n++ {
				s.Parts = append(s.Parts, holdfast.Part{Number: n, Size: full, Sum: sum("part")})
				s.StoredSize += full
			}
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			begun := w.start("web1", "crm")
			w.upload("web1", w.vault, begun, 20)
			m := w.manifest("web1", "crm", begun, 20)
			c.change(&m)
			key, status := "web1", http.StatusUnprocessableEntity
			if c.key != "" {
				key = c.key
			}
			if c.status != 0 {
				status = c.status
			}
			answer[api.Problem](t, w.commit("web1", begun, w.signed(key, m)), status)
			if got := w.vault.snapshot(); len(got) != 0 {
				t.Errorf("objects were made: %v", got)
			}
		})
	}
}

func TestPartsOfAManifestFollowTheSchedule(t *testing.T) {
	limits := holdfast.UploadLimits{MaxParts: 10, Checksum: holdfast.ChecksumSHA256}
	full := func(n int) int64 { return holdfast.PartSize(n, limits.MaxParts) }
	cases := map[string]struct {
		sizes []int64
		ok    bool
	}{
		"one short part":               {[]int64{1}, true},
		"one full part":                {[]int64{full(1)}, true},
		"one part too long":            {[]int64{full(1) + 1}, false},
		"a short part at the end":      {[]int64{full(1), full(2), 1}, true},
		"a short part in between":      {[]int64{full(1), full(2) - 1, 1}, false},
		"a long part in between":       {[]int64{full(1), full(2) + 1, 1}, false},
		"a long part at the end":       {[]int64{full(1), full(2) + 1}, false},
		"more than the vault allows":   {[]int64{full(1), full(2), full(3), full(4), full(5), full(6), full(7), full(8), full(9), full(10), 1}, false},
		"as many as the vault allows":  {[]int64{full(1), full(2), full(3), full(4), full(5), full(6), full(7), full(8), full(9), full(10)}, true},
		"the size of another's number": {[]int64{full(1), full(2), full(3), full(3), 1}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := holdfast.Stream{Checksum: limits.Checksum}
			for i, size := range c.sizes {
				s.Parts = append(s.Parts, holdfast.Part{Number: i + 1, Size: size})
			}
			if err := checkSchedule(s, limits); (err == nil) != c.ok {
				t.Errorf("got %v, want it accepted: %t", err, c.ok)
			}
		})
	}
}

func TestManifestOfFewerStreamsThanWereBegunIsNotCommitted(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm", "crm", "media")
	w.upload("web1", w.vault, begun, 20)
	m := w.manifest("web1", "crm", begun, 20)
	m.Streams = m.Streams[:1]
	answer[api.Problem](t, w.commit("web1", begun, w.signed("web1", m)), http.StatusUnprocessableEntity)
	if got := w.vault.snapshot(); len(got) != 0 {
		t.Errorf("objects were made: %v", got)
	}
}
