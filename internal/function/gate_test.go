package function

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
)

// gate stands before the store and lets some requests wait until whoever sent
// them has given up.
type gate struct{ isOpen atomic.Bool }

func (g *gate) open() { g.isOpen.Store(true) }

// throughGate has the vault reached through a gate that holds the requests of
// whose body holds says so.
func (w *world) throughGate(vault string, holds func(body string) bool) *gate {
	w.t.Helper()
	target, err := url.Parse(w.s3.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	g := &gate{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // which is under the signature
	}}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && !g.isOpen.Load() && holds(string(body)) {
			<-r.Context().Done()
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(server.Close)
	before := w.vault(vault, w.bucket, "")
	if !strings.Contains(w.vaults, before) {
		w.t.Fatalf("no vault %q", vault)
	}
	w.vaults = strings.Replace(w.vaults, before, strings.Replace(before, w.s3.URL, server.URL, 1), 1)
	return g
}
