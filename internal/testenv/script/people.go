package script

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// people starts what stands for people to be told: it keeps what is sent to it in
// the file told, a line each, and what is fetched in the file beats. Its URL is in
// the file hook.url, and in $PEOPLE.
func people(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: people")
	}
	var mu sync.Mutex
	keep := func(name, line string) {
		mu.Lock()
		defer mu.Unlock()
		f, err := os.OpenFile(ts.MkAbs(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			fmt.Fprintln(f, line)
			f.Close()
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			keep("beats", r.URL.Path)
			return
		}
		if body, err := io.ReadAll(r.Body); err == nil {
			keep("told", string(body))
		}
	}))
	ts.Defer(server.Close)
	ts.Setenv("PEOPLE", server.URL)
	ts.Check(os.WriteFile(ts.MkAbs("hook.url"), []byte(server.URL+"/hook\n"), 0o600))
}
