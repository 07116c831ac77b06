package rehearsal

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// initTime is how long a program may take until it asks for its first event.
const initTime = 10 * time.Second

// instance is one process of a function under a runtime API of its own. It is
// frozen while it has nothing to do, as on Lambda: whatever it left running in
// the background stands still.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type instance struct {
	function *Function
	command  *exec.Cmd
	server   *http.Server
	started  time.Time
	ready    chan time.Time  // gets the time of the first next
	waiting  chan struct{}   // gets one at every next
	events   chan invocation // what next answers
	results  chan result
	gone     chan struct{} // closed when the process has ended
	booted   bool          // the first next was seen
	cold     time.Duration // from the start of the process to the first next
}

type invocation struct {
	id       string
	event    []byte
	deadline time.Time
}

// result is what the process posts about the invocation with that id.
type result struct {
	id     string
	answer []byte
	err    *FunctionError
}

// start starts a process and waits until it asks for an event.
func start(ctx context.Context, f *Function) (*instance, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &instance{
		function: f, ready: make(chan time.Time, 1), waiting: make(chan struct{}, 1),
		events: make(chan invocation), results: make(chan result, 1), gone: make(chan struct{}),
	}
	i.server = &http.Server{Handler: i.handler(), ReadHeaderTimeout: time.Minute}
	go i.server.Serve(listener)

	i.command = exec.Command(filepath.Join(f.Dir, "bootstrap"))
	i.command.Dir = f.Dir
	i.command.Env = f.environ(listener.Addr().String())
	i.command.Stdout, i.command.Stderr = f.Log, f.Log
	i.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	i.command.WaitDelay = time.Second
	i.started = time.Now()
	if err := i.command.Start(); err != nil {
		_ = i.server.Close()
		return nil, fmt.Errorf("start %s: %w", f.Name, err)
	}
	go func() {
		_ = i.command.Wait()
		close(i.gone)
	}()
	select {
	case at := <-i.ready:
		i.cold = at.Sub(i.started)
		return i, nil
	case r := <-i.results: // an /init/error
		i.close()
		return nil, r.err
	case <-i.gone:
		i.close()
		return nil, &FunctionError{Type: "Runtime.ExitError", Message: i.command.ProcessState.String() + " before the first event"}
	case <-time.After(initTime):
		i.close()
		return nil, &FunctionError{Type: "Sandbox.Timedout", Message: "no first event was asked for in 10 s"}
	case <-ctx.Done():
		i.close()
		return nil, ctx.Err()
	}
}

// invoke gives the process one event and waits for what it makes of it.
func (i *instance) invoke(ctx context.Context, event []byte) ([]byte, error) {
	timeout := time.NewTimer(i.function.Timeout)
	defer timeout.Stop()
	in := invocation{id: newRequestID(), event: event, deadline: time.Now().Add(i.function.Timeout)}
	i.signal(syscall.SIGCONT)
	for sent := false; ; {
		events := i.events
		if sent {
			events = nil
		}
		select {
		case events <- in:
			sent = true
		case r := <-i.results:
			if r.id != in.id {
				return nil, fmt.Errorf("%s answered request %q, not %q", i.function.Name, r.id, in.id)
			}
			i.rest(ctx)
			if r.err != nil {
				return nil, r.err
			}
			return r.answer, nil
		case <-i.gone:
			return nil, &FunctionError{Type: "Runtime.ExitError", Message: i.command.ProcessState.String()}
		case <-timeout.C:
			i.close() // as Lambda does: the next call gets a fresh one
			return nil, &FunctionError{Type: "Sandbox.Timedout", Message: fmt.Sprintf("Task timed out after %.2f seconds", i.function.Timeout.Seconds())}
		case <-ctx.Done():
			i.close()
			return nil, ctx.Err()
		}
	}
}

// rest waits until the process asks for its next event, then freezes it. What
// posts an answer and then ends, or never asks again, is noticed here.
func (i *instance) rest(ctx context.Context) {
	select {
	case <-i.waiting:
		i.signal(syscall.SIGSTOP)
	case <-i.gone:
	case <-time.After(initTime):
		i.close()
	case <-ctx.Done():
		i.close()
	}
}

func (i *instance) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", i.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
		if err != nil {
			return // the process ended in the middle
		}
		if len(body) > maxPayload {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			i.results <- result{r.PathValue("id"), nil, &FunctionError{Type: "Function.ResponseSizeTooLarge", Message: "the answer is larger than 6 MB"}}
			return
		}
		w.WriteHeader(http.StatusAccepted)
		i.results <- result{r.PathValue("id"), body, nil}
	})
	failed := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		i.results <- result{r.PathValue("id"), nil, decodeError(body, r.Header.Get("Lambda-Runtime-Function-Error-Type"))}
	}
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", failed)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", failed)
	return mux
}

// next answers with an event as soon as there is one.
func (i *instance) next(w http.ResponseWriter, r *http.Request) {
	if !i.booted {
		i.booted = true
		i.ready <- time.Now()
	} else {
		i.waiting <- struct{}{}
	}
	select {
	case in := <-i.events:
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", in.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(in.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", i.function.ARN)
		h.Set("Lambda-Runtime-Trace-Id", "Root=1-"+strings.ReplaceAll(in.id, "-", "")[:8]+"-"+strings.ReplaceAll(in.id, "-", "")[8:]+";Parent=0000000000000000;Sampled=0")
		_, _ = w.Write(in.event)
	case <-r.Context().Done():
	case <-i.gone:
	}
}

// signal reaches what the process has started too.
func (i *instance) signal(s syscall.Signal) {
	if !i.ended() {
		_ = syscall.Kill(-i.command.Process.Pid, s)
	}
}

func (i *instance) ended() bool {
	select {
	case <-i.gone:
		return true
	default:
		return false
	}
}

// close ends the process.
func (i *instance) close() {
	i.signal(syscall.SIGKILL)
	<-i.gone
	_ = i.server.Close()
}

func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
