package disk

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

func TestHandlerAnswers(t *testing.T) {
	clock := newClock()
	v, client := newVault(t, t.TempDir(), clock)
	if err := v.Put(t.Context(), "backups/x", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	u, gone := start(t, v, "backups/y"), start(t, v, "backups/z")
	body := "a body"
	put := sign(t, v, u, 1, []byte(body)).URL
	goneURL := sign(t, v, gone, 1, []byte(body)).URL
	if err := v.AbortUpload(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	download := func(key string) string {
		r, err := v.SignDownload(t.Context(), key, "x", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return r.URL
	}
	// The same sealer, another vault.
	other, otherClient := newVault(t, t.TempDir(), clock)
	otherPut := other.base.String() + strings.TrimPrefix(put, v.base.String())
	swap := func(u, from, to string) string { return strings.Replace(u, from, to, 1) }

	for _, c := range []struct {
		name   string
		client *http.Client
		method string
		url    string
		body   io.Reader
		status int
	}{
		{"a part as signed", client, "PUT", put, strings.NewReader(body), 200},
		{"other bytes", client, "PUT", put, strings.NewReader("b body"), 400},
		{"too few bytes", client, "PUT", put, strings.NewReader("a bod"), 400},
		{"too many bytes", client, "PUT", put, strings.NewReader("a body!"), 413},
		{"no length", client, "PUT", put, struct{ io.Reader }{strings.NewReader(body)}, 411},
		{"an upload that is gone", client, "PUT", goneURL, strings.NewReader(body), 404},
		{"a changed part URL", client, "PUT", put + "0", strings.NewReader(body), 403},
		{"nothing signed", client, "PUT", v.base.String() + "/p/x", strings.NewReader(body), 403},
		{"a part URL of another vault", otherClient, "PUT", otherPut, strings.NewReader(body), 403},
		{"a download URL as a part URL", client, "PUT", swap(download("backups/x"), "/d/", "/p/"), strings.NewReader(body), 403},
		{"a part URL as a download URL", client, "GET", swap(put, "/p/", "/d/"), nil, 403},
		{"a download", client, "GET", download("backups/x"), nil, 200},
		{"a download's head", client, "HEAD", download("backups/x"), nil, 200},
		{"a download of nothing", client, "GET", download("backups/none"), nil, 404},
		{"a download of a directory", client, "GET", download("backups"), nil, 404},
		{"another method", client, "POST", download("backups/x"), strings.NewReader(body), 405},
		{"the bare vault", client, "GET", v.base.String() + "/", nil, 404},
		{"an object by its key", client, "GET", v.base.String() + "/backups/x", nil, 404},
		{"outside of the base URL", client, "GET", swap(put, "/vaults/main", ""), nil, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, text := do(t, c.client, c.method, c.url, c.body)
			if status != c.status {
				t.Errorf("got status %d, want %d: %s", status, c.status, text)
			}
			for _, secret := range []string{v.root.Name(), u.ID, gone.ID, "backups", "secret", layout.UploadsDir} {
				if strings.Contains(text, secret) {
					t.Errorf("the answer tells of %q: %s", secret, text)
				}
			}
		})
	}
	clock.Advance(t.Context(), 2*time.Hour)
	if status, _ := do(t, client, "PUT", put, strings.NewReader(body)); status != http.StatusForbidden {
		t.Errorf("expired: got status %d, want %d", status, http.StatusForbidden)
	}
}

func TestSigningRefusesWhatCannotBeAPart(t *testing.T) {
	v, _ := newVault(t, t.TempDir(), newClock())
	u := start(t, v, "backups/x")
	good := part(1, []byte("x"))
	for name, c := range map[string]struct {
		upload holdfast.Upload
		part   holdfast.Part
	}{
		"number 0":               {u, holdfast.Part{Number: 0, Size: 1, Sum: good.Sum}},
		"a negative number":      {u, holdfast.Part{Number: -1, Size: 1, Sum: good.Sum}},
		"a number too high":      {u, holdfast.Part{Number: holdfast.MaxParts + 1, Size: 1, Sum: good.Sum}},
		"no size":                {u, holdfast.Part{Number: 1, Size: 0, Sum: good.Sum}},
		"more than its place":    {u, holdfast.Part{Number: 1, Size: holdfast.MinPartSize + 1, Sum: good.Sum}},
		"no checksum":            {u, holdfast.Part{Number: 1, Size: 1}},
		"a checksum in capitals": {u, holdfast.Part{Number: 1, Size: 1, Sum: strings.ToUpper(good.Sum)}},
		"an upload by a path":    {holdfast.Upload{Key: u.Key, ID: "../" + layout.UploadsDir + "/" + u.ID}, good},
		"no upload":              {holdfast.Upload{Key: u.Key}, good},
		"another key's upload":   {holdfast.Upload{Key: "backups/y", ID: u.ID}, good},
	} {
		if r, err := v.SignPart(t.Context(), c.upload, c.part, time.Hour); err == nil {
			t.Errorf("%s: was signed: %v", name, r)
		}
	}
	if _, err := v.SignPart(t.Context(), u, good, time.Hour); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheLastPartMayBeShort(t *testing.T) {
	v, client := newVault(t, t.TempDir(), newClock())
	u := start(t, v, "backups/x")
	full := random(int(holdfast.PartSize(2, holdfast.MaxParts)))
	parts := []holdfast.Part{send(t, v, client, u, 1, []byte("short")), send(t, v, client, u, 2, full)}
	if err := v.CompleteUpload(t.Context(), u, parts, int64(5+len(full))); err == nil || !strings.Contains(err.Error(), "not the last") {
		t.Errorf("got error %v, want one about the short part", err)
	}
}

// halfway sends the head of a request and half of its body on a connection of
// its own, and returns it once the handler reads: a sender that hangs.
func halfway(t *testing.T, signed string, body []byte) net.Conn {
	t.Helper()
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", u.RequestURI(), u.Host, len(body))
	// The server says this when the handler first reads the body.
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("got %q, error %v, want 100 Continue", line, err)
	}
	conn.Write(body[:len(body)/2])
	return conn
}

func TestASenderThatHangsIsReplaced(t *testing.T) {
	v, client := newVault(t, t.TempDir(), newClock())
	u, body := start(t, v, "backups/x"), random(100_000)
	halfway(t, sign(t, v, u, 1, body).URL, body)
	p := send(t, v, client, u, 1, body)
	if err := v.CompleteUpload(t.Context(), u, []holdfast.Part{p}, p.Size); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content(t, v, u.Key), body) {
		t.Error("the object has other bytes")
	}
}

func TestASenderThatHangsHoldsUpNeitherAbortNorComplete(t *testing.T) {
	v, client := newVault(t, t.TempDir(), newClock())
	aborted, completed := start(t, v, "backups/x"), start(t, v, "backups/y")
	p := send(t, v, client, completed, 1, []byte("a body"))
	for _, u := range []holdfast.Upload{aborted, completed} {
		full := random(int(holdfast.MinPartSize))
		halfway(t, sign(t, v, u, 2, full).URL, full)
	}
	if err := v.AbortUpload(t.Context(), aborted); err != nil {
		t.Error(err)
	}
	if err := v.CompleteUpload(t.Context(), completed, []holdfast.Part{p}, p.Size); err != nil {
		t.Error(err)
	}
	if got := content(t, v, completed.Key); string(got) != "a body" {
		t.Errorf("got %d bytes, want 6", len(got))
	}
}
