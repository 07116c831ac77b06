package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// maxPayload is how large an event, and how large an answer, can be, in bytes.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxPayload = 6 << 20

// errThrottled is what a call gets when all instances that may be are busy.
var errThrottled = errors.New("all instances are busy")

// Function is a deployed function: it starts instances of its program as calls
// need them, and uses warm ones again. It is safe for concurrent use.
type Function struct {
	Name    string
	ARN     string
	Dir     string            // with the unpacked zip, the bootstrap in it
	Env     map[string]string // what the deployment sets, and the keys of the role
	Region  string
	Memory  int // MB
	Timeout time.Duration
	Limit   int  // instances at once
	Log     *Log // what all instances print

	mu   sync.Mutex
	idle []*instance
	busy int
}

// FunctionError is what an invocation answers that did not succeed.
type FunctionError struct {
	Type    string   `json:"errorType"`
	Message string   `json:"errorMessage"`
	Stack   []string `json:"-"`
}

func (e *FunctionError) Error() string { return e.Type + ": " + e.Message }

// Invoke gives the event to an instance and returns its answer. Where the
// function fails, or its process ends, or its time is up, the error is a
// *FunctionError; any other says that the rehearsal itself did not work.
func (f *Function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	if len(event) > maxPayload {
		return nil, fmt.Errorf("invoke %s: event of %d bytes: %w", f.Name, len(event), errTooLarge)
	}
	i, err := f.take(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := i.invoke(ctx, event)
	f.giveBack(i)
	return answer, err
}

var errTooLarge = errors.New("larger than 6 MB")

// take returns a warm instance or starts one.
func (f *Function) take(ctx context.Context) (*instance, error) {
	f.mu.Lock()
	if n := len(f.idle); n > 0 {
		i := f.idle[n-1]
		f.idle = f.idle[:n-1]
		f.busy++
		f.mu.Unlock()
		return i, nil
	}
	if f.busy >= f.Limit {
		f.mu.Unlock()
		return nil, fmt.Errorf("invoke %s: %w", f.Name, errThrottled)
	}
	f.busy++
	f.mu.Unlock()

	i, err := start(ctx, f)
	if err != nil {
		f.mu.Lock()
		f.busy--
		f.mu.Unlock()
		return nil, err
	}
	return i, nil
}

func (f *Function) giveBack(i *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy--
	if i.ended() {
		i.close()
		return
	}
	f.idle = append(f.idle, i)
}

// Instances returns how many are warm or at work.
func (f *Function) Instances() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.idle) + f.busy
}

// Stop ends the warm instances, as AWS does when a configuration changes.
func (f *Function) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.idle {
		i.close()
	}
	f.idle = nil
}

// environ is the environment of an instance: what the deployment sets and what
// Lambda adds, and nothing else. AWS_SESSION_TOKEN is not among it: versitygw's
// users have lasting keys.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func (f *Function) environ(runtimeAPI string) []string {
	env := []string{
		"AWS_LAMBDA_RUNTIME_API=" + runtimeAPI,
		"AWS_LAMBDA_FUNCTION_NAME=" + f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		fmt.Sprint("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=", f.Memory),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + f.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME=" + time.Now().UTC().Format("2006/01/02") + "/[$LATEST]rehearsal",
		"AWS_REGION=" + f.Region, "AWS_DEFAULT_REGION=" + f.Region,
		"LAMBDA_TASK_ROOT=" + f.Dir, "LAMBDA_RUNTIME_DIR=/var/runtime", "_HANDLER=bootstrap",
		"PATH=/usr/local/bin:/usr/bin/:/bin:/opt/bin", "LANG=en_US.UTF-8", "TZ=:UTC",
		"TMPDIR=" + os.TempDir(),
	}
	for name, value := range f.Env {
		env = append(env, name+"="+value)
	}
	return env
}

// decodeError reads what a runtime posts to say that an invocation failed.
func decodeError(body []byte, kind string) *FunctionError {
	e := FunctionError{Type: kind}
	if err := json.Unmarshal(body, &e); err != nil {
		e.Message = string(body)
	}
	return &e
}
