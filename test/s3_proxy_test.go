package test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// s3Call names the call of S3 that a request is; "" if it is none.
func s3Call(r *http.Request) string {
	q := r.URL.Query()
	switch key := r.URL.Path; {
	case isBroker(r):
		return ""
	case r.Method == http.MethodPut && q.Has("partNumber"):
		return "part"
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "start"
	case r.Method == http.MethodPost && q.Has("uploadId"):
		return "complete"
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		return "abort"
	case r.Method == http.MethodGet && q.Has("uploads"):
		return "uploads"
	case r.Method == http.MethodGet && q.Has("list-type"):
		return "list"
	case r.Method == http.MethodGet && q.Has("versions"):
		return "versions"
	case r.Method == http.MethodPost && q.Has("delete"), r.Method == http.MethodDelete:
		return "delete"
	case r.Method == http.MethodPut && strings.HasSuffix(key, "/manifest.json"):
		return "manifest"
	case r.Method == http.MethodPut && strings.Contains(key, "/state/"):
		return "state"
	case r.Method == http.MethodPut:
		return "put"
	case r.Method == http.MethodGet:
		return "get"
	}
	return "other"
}

// strike is what happens to a request on its way to the store.
type strike func(g *gate, w http.ResponseWriter, r *http.Request)

// says answers in the store's place, which hears nothing. More are headers.
func says(status int, code string, more ...string) strike {
	return func(_ *gate, w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i < len(more); i += 2 {
			w.Header().Set(more[i], more[i+1])
		}
		w.Header().Set("Content-Type", "application/xml")
		w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, problemXML(code))
	}
}

func problemXML(code string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Error><Code>" + code + "</Code><Message>so the test wants it</Message><RequestId>injected</RequestId></Error>"
}

// breaks resets the connection once so many bytes of the body have come; the
// store hears nothing.
func breaks(after int64) strike {
	return func(_ *gate, w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, after)
		reset(w)
	}
}

// loses has the store do it, and resets the connection instead of the answer.
func loses(g *gate, w http.ResponseWriter, r *http.Request) {
	g.pass(r)
	reset(w)
}

// forgets loses the first answer, and says afterwards that there is no such
// upload, as S3 may of one that is done.
func forgets() strike {
	var once sync.Once
	return func(g *gate, w http.ResponseWriter, r *http.Request) {
		act := says(http.StatusNotFound, "NoSuchUpload")
		once.Do(func() { act = loses })
		act(g, w, r)
	}
}

// cuts has the store do it, and resets the connection halfway through the answer.
func cuts(g *gate, w http.ResponseWriter, r *http.Request) {
	answer := g.pass(r)
	whole := answer.Body.Bytes()
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(max(len(whole), 2)))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(whole[:len(whole)/2])
	_ = http.NewResponseController(w).Flush()
	reset(w)
}

// blank answers 200 and white space, as S3 does while it puts parts together, and
// then what end says.
func blank(end func(g *gate, w http.ResponseWriter, r *http.Request)) strike {
	return func(g *gate, w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		r.Body = io.NopCloser(&body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusOK)
		for range 3 {
			_, _ = io.WriteString(w, " \n")
			_ = http.NewResponseController(w).Flush()
		}
		end(g, w, r)
	}
}

// slow passes on what comes in so many pieces, with a pause before each, both
// ways.
func slow(pieces int, pause time.Duration) strike {
	return func(g *gate, w http.ResponseWriter, r *http.Request) {
		wait := func() {
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
			}
		}
		if r.ContentLength > 0 {
			size := max(r.ContentLength/int64(pieces), 1)
			body, left := r.Body, int64(0)
			r.Body = io.NopCloser(readerFunc(func(p []byte) (int, error) {
				if left == 0 {
					wait()
					left = size
				}
				n, err := body.Read(p[:min(int64(len(p)), left)])
				left -= int64(n)
				return n, err
			}))
		}
		answer := g.pass(r)
		wait()
		deliver(w, answer)
	}
}

// reset ends the client's connection with a reset.
func reset(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

// injection strikes some calls of one kind.
type injection struct {
	call  string // as s3Call names it
	skip  int    // how many pass before the first is struck
	times int    // how many are struck; 0 is all
	do    strike

	mu           sync.Mutex
	seen, struck int
}

// take reports whether a request is to be struck.
func (i *injection) take(r *http.Request) bool {
	if s3Call(r) != i.call {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen++
	if i.seen <= i.skip || i.times > 0 && i.struck >= i.times {
		return false
	}
	i.struck++
	return true
}

// hits returns how many requests were struck.
func (i *injection) hits() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.struck
}

// inject strikes at whatever calls the injection says.
func (g *gate) inject(i *injection) {
	g.let(func(w http.ResponseWriter, r *http.Request) bool {
		if !i.take(r) {
			return false
		}
		i.do(g, w, r)
		return true
	})
}

func (i *injection) String() string {
	return fmt.Sprintf("%d of %d calls of %s were struck", i.struck, i.seen, i.call)
}
