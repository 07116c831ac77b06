package test

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// A store refuses signatures that are older than some minutes, so that of a recipe has
// to go by the recipe's clock: the same versitygw that the other tests run against,
// built like the programs in fault_clock_test.go.

var buildSkewedStore = sync.OnceValue(func() error {
	build := exec.Command("go", "build", "-overlay", filepath.Join(bin, "skewed", "overlay.json"),
		"-o", filepath.Join(bin, "skewed", "versitygw"), "github.com/versity/versitygw/cmd/versitygw")
	build.Dir = "versitygw"
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
})

// newStore starts an S3 server that goes by the clock, which must stand at the true
// time until a bucket is made in it.
func newStore(t *testing.T, c *clock) testenv.S3Server {
	t.Helper()
	if err := buildSkewedStore(); err != nil {
		t.Fatalf("build versitygw for the clock: %v", err)
	}
	dir, address := t.TempDir(), freeAddress(t)
	s := testenv.S3Server{
		Region: "eu-west-3", AccessKey: "root-of-the-tests", SecretKey: "secret-of-the-tests",
		Dir: filepath.Join(dir, "buckets"),
	}
	for _, sub := range []string{"buckets", "versions", "iam"} {
		must(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
	}
	var log lockedBuffer
	server := exec.Command(filepath.Join(bin, "skewed", "versitygw"), "--port", address, "--access", s.AccessKey, "--secret", s.SecretKey,
		"--region", s.Region, "--quiet", "--keep-alive", "--iam-dir", filepath.Join(dir, "iam"),
		"posix", "--versioning-dir", filepath.Join(dir, "versions"), s.Dir)
	server.Env = append(os.Environ(), c.env(), "TEST_CLOCK_FILES=1") // uploads begin when their files were made
	server.Stdout, server.Stderr = &log, &log
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, server.Start())
	t.Cleanup(func() { end(server) })
	waitWith(t, "versitygw", func() bool {
		answer, err := http.Get("http://" + address)
		return err == nil && answer.Body.Close() == nil
	}, log.tail)
	s.URL = promptly(t, "http://"+address, c)
	return s
}

// promptly returns the URL of a proxy in front of versitygw, which makes up the date of
// its answers only once a second. A client that is told one of yesterday signs the next
// request for yesterday.
func promptly(t *testing.T, server string, c *clock) string {
	t.Helper()
	target, err := url.Parse(server)
	must(t, err)
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		Transport: &http.Transport{DisableCompression: true},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Set("Date", c.now().UTC().Format(http.TimeFormat))
			return nil
		},
	})
	t.Cleanup(func() {
		proxy.CloseClientConnections()
		proxy.Close()
	})
	return proxy.URL
}

// now is the time by the clock.
func (c *clock) now() time.Time {
	var ahead int64
	file, err := os.Open(c.path)
	must(c.t, err)
	defer file.Close()
	must(c.t, binary.Read(file, binary.NativeEndian, &ahead))
	return time.Now().Add(time.Duration(ahead) * time.Second)
}
