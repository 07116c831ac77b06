// Package page opens the status page in a real browser, as people do, and looks
// at what they would see.
package page_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/holdfast-backup/holdfast/internal/status"
)

var update = flag.Bool("update", false, "write the pictures in docs/images")

// limit is how long one test may wait for the browser.
const limit = 90 * time.Second

// browser is one running Chromium, of which each tab is a fresh profile.
var browser context.Context

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	flag.Parse()
	program, err := exec.LookPath("chromium")
	if err != nil {
		fmt.Fprintln(os.Stderr, err, "(test/setup installs it)")
		return 1
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("force-device-scale-factor", "1"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	ctx, cancel := chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "start chromium:", err)
		return 1
	}
	browser = ctx
	return m.Run()
}

// view says how a page is looked at.
type view struct {
	width, height int64 // default 1280×900
	dark          bool  // what the system prefers
	noScript      bool
	now           time.Time // default five minutes after the page
}

// tab is an open page and what it did.
type tab struct {
	t        *testing.T
	ctx      context.Context
	mu       sync.Mutex
	requests []string // URLs
	messages []string // of the console, errors among them
}

// open opens the address in a tab of its own.
func open(t *testing.T, address string, v view) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, limit)
	t.Cleanup(stop)
	p := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatal(err)
	}
	if v.width == 0 {
		v.width, v.height = 1280, 900
	}
	if v.now.IsZero() {
		v.now = noon.Add(5 * time.Minute)
	}
	scheme := "light"
	if v.dark {
		scheme = "dark"
	}
	// The page's clock, which is the browser's, as of the page.
	clock := fmt.Sprintf("{ const ahead = %d - Date.now(), real = Date.now.bind(Date); Date.now = () => real() + ahead }", v.now.UnixMilli())
	p.do(
		call(network.Enable, network.EnableParams{}), call(log.Enable, cdp.Empty{}), call(runtime.Enable, cdp.Empty{}),
		call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: v.width, Height: v.height, DeviceScaleFactor: 1, Mobile: v.width < 600}),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}),
		call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: v.noScript}),
		call(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: clock}),
		chromedp.Navigate(address),
	)
	return p
}

// call makes an action of a command whose result is of no interest.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

func (p *tab) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *runtime.EventConsoleAPICalled:
		p.messages = append(p.messages, fmt.Sprintf("console %s: %s", e.Type, e.Args[0].Value))
	case *runtime.EventExceptionThrown:
		p.messages = append(p.messages, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		p.messages = append(p.messages, e.Entry.Text)
	}
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// run runs an action and returns its value.
func run[T any](p *tab, action chromedp.Action[T]) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, action)
	if err != nil {
		p.t.Fatal(err)
	}
	return value
}

// eval returns what an expression in the page is, promises kept.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	return run(p, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// wait waits until an expression in the page is true.
func (p *tab) wait(expression string) {
	p.t.Helper()
	run(p, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(limit/2)))
}

// quiet fails the test if the page asked for anything beside itself, or the
// browser had anything to say about it.
func (p *tab) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := 0
	for _, url := range p.requests {
		if !bytes.HasPrefix([]byte(url), []byte("data:image/svg+xml,")) { // its icon, which is in it
			asked++
		}
	}
	if asked != 1 {
		p.t.Errorf("requests: got %q, want the page alone", p.requests)
	}
	if len(p.messages) > 0 {
		p.t.Errorf("the browser says: %q", p.messages)
	}
}

// render returns a page.
func render(t *testing.T, s status.Status) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := status.HTML(&b, s, status.Options{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// asFile returns the address of the page as a file.
func asFile(t *testing.T, s status.Status) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "status.html")
	if err := os.WriteFile(file, render(t, s), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + file
}

// asSite returns the address of the page on a server, which has nothing else.
func asSite(t *testing.T, s status.Status) string {
	t.Helper()
	body := render(t, s)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status.html" {
			t.Errorf("the page asks for %s", r.URL)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(body)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/status.html?X-Amz-Signature=0123"
}
