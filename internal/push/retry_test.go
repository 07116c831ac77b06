package push

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

func TestRunGetsOverTrouble(t *testing.T) {
	tests := map[string]func(*cloud){
		"a connection that is reset in the middle of a part": func(c *cloud) {
			c.onPut = func(w http.ResponseWriter, r *http.Request, part, try int) bool {
				if part == 2 && try <= 2 {
					io.CopyN(io.Discard, r.Body, 1<<20)
					panic(http.ErrAbortHandler)
				}
				return false
			}
		},
		"a store that is overloaded": func(c *cloud) {
			c.onPut = func(w http.ResponseWriter, _ *http.Request, _, try int) bool { return try <= 3 && unavailable(w) }
		},
		"a store that answers 429": func(c *cloud) {
			c.onPut = func(w http.ResponseWriter, _ *http.Request, _, try int) bool {
				if try == 1 {
					w.WriteHeader(http.StatusTooManyRequests)
				}
				return try == 1
			}
		},
		"a part that is garbled on its way": func(c *cloud) {
			c.onPut = func(w http.ResponseWriter, _ *http.Request, _, try int) bool {
				if try == 1 {
					http.Error(w, "<Error><Code>BadDigest</Code></Error>", http.StatusBadRequest)
				}
				return try == 1
			}
		},
		"a signature that has expired on the store's clock": func(c *cloud) {
			c.onPut = func(w http.ResponseWriter, r *http.Request, part, try int) bool {
				if part == 1 && try == 1 {
					http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
					return true
				}
				return false
			}
		},
		"an outage of the store that is longer than signatures last": func(c *cloud) {
			c.ttl = time.Minute
			began := c.Now()
			c.onPut = func(w http.ResponseWriter, _ *http.Request, _, _ int) bool {
				return c.Now().Sub(began) < 10*time.Minute && unavailable(w)
			}
		},
		"a broker that is away for ten minutes": func(c *cloud) {
			began := c.Now()
			c.onSign = func(holdfast.Part, int) error {
				if c.Now().Sub(began) < 10*time.Minute {
					return errOutage
				}
				return nil
			}
		},
		"a broker that answers 503 to start": func(c *cloud) {
			c.onStart = func(try int) error {
				if try < 4 {
					return &api.Problem{Title: "unavailable", Status: 503}
				}
				return nil
			}
		},
		"a commit whose answer is lost": func(c *cloud) {
			c.onCommit = func(try int) error {
				if try == 1 {
					return io.ErrUnexpectedEOF
				}
				return nil
			}
		},
	}
	for name, trouble := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			trouble(c)
			data := noise(20 << 20)
			out := Run(t.Context(), testJob(t, &fakeSource{file: "crm.sql", data: data}), c.deps(t))
			if out.Status != OK {
				t.Fatalf("got %+v", out)
			}
			if !bytes.Equal(c.object("db"), data) {
				t.Error("what is stored differs from what was dumped")
			}
			if len(c.aborts)+len(c.reports) != 0 {
				t.Errorf("got aborts %v, reports %v", c.aborts, c.reports)
			}
		})
	}
}

func TestRunSignsAgainOnlyWhenItMust(t *testing.T) {
	c := newCloud(t)
	c.onPut = func(w http.ResponseWriter, _ *http.Request, part, try int) bool {
		if part == 1 {
			return try <= 3 && unavailable(w)
		}
		if try == 1 {
			w.WriteHeader(http.StatusForbidden)
		}
		return try == 1
	}
	if out := Run(t.Context(), testJob(t, &fakeSource{file: "crm.sql", data: noise(9 << 20)}), c.deps(t)); out.Status != OK {
		t.Fatalf("got %+v", out)
	}
	if diff := cmp.Diff(map[string]int{"db/1": 1, "db/2": 2}, c.signed); diff != "" {
		t.Errorf("signatures (-want +got):\n%s", diff)
	}
}

func TestAnExpiredSignatureIsNotSent(t *testing.T) {
	c := newCloud(t)
	c.ttl = time.Minute
	refused := 0
	c.onPut = func(w http.ResponseWriter, r *http.Request, _, try int) bool {
		if expires, _ := strconv.ParseInt(r.URL.Query().Get("expires"), 10, 64); c.Now().Unix() > expires {
			refused++
		}
		return try <= 20 && unavailable(w)
	}
	if out := Run(t.Context(), testJob(t, &fakeSource{file: "crm.sql", data: []byte("data")}), c.deps(t)); out.Status != OK {
		t.Fatalf("got %+v", out)
	}
	if refused != 0 || c.signed["db/1"] < 2 {
		t.Errorf("sent %d expired signatures, signed %d times", refused, c.signed["db/1"])
	}
}
