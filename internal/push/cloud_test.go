package push

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

const testID = holdfast.ID("20251028T140000Z-9f3c2a7d")

var testTime = testID.Time()

// clock stands still until somebody sleeps.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
	return ctx.Err()
}

// cloud is a broker and a store. The store keeps parts that have the length and
// the checksum that were signed, and refuses signatures that have expired. What is
// of another vault than main has the vault's name and a colon in front.
type cloud struct {
	*clock
	store *httptest.Server

	id       holdfast.ID
	vaults   []string
	answer   func(*api.StartResponse) // may change what Start answers
	checksum string
	maxParts int
	maxSize  int64
	ttl      time.Duration // of signatures
	discard  bool          // keep no bodies

	// What to do instead of answering; all may be nil. try counts from 1.
	onStart  func(try int) error
	onSign   func(p holdfast.Part, try int) error
	onCommit func(try int) error
	onPut    func(w http.ResponseWriter, r *http.Request, part, try int) (handled bool)

	mu        sync.Mutex
	starts    []api.StartRequest
	signed    map[string]int // by stream/part
	puts      map[string]int
	parts     map[string]map[int][]byte // by stream
	sizes     map[string]int64
	commits   []api.CommitRequest
	committed bool
	aborts    []api.AbortRequest
	reports   []holdfast.Report
	calls     []string // Start, Commit, Abort, Report, and what tests add
	manifest  holdfast.Manifest
}

func newCloud(t testing.TB) *cloud {
	c := &cloud{
		clock: &clock{now: testTime}, id: testID, vaults: []string{"main"}, checksum: holdfast.ChecksumSHA256, maxParts: 10_000,
		maxSize: 1 << 40, ttl: time.Hour,
		signed: map[string]int{}, puts: map[string]int{}, parts: map[string]map[int][]byte{}, sizes: map[string]int64{},
	}
	c.store = httptest.NewServer(http.HandlerFunc(c.put))
	t.Cleanup(c.store.Close)
	return c
}

func (c *cloud) deps(t testing.TB) Deps {
	client := NewHTTPClient()
	t.Cleanup(client.CloseIdleConnections)
	return Deps{
		Destinations: []Destination{NewBroker("broker", c, client, c.Now)},
		HTTP:         client, Now: c.Now, Sleep: c.Sleep,
		SignManifest: func(m holdfast.Manifest) ([]byte, error) { return json.Marshal(m) },
	}
}

func (c *cloud) note(call string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call)
}

func (c *cloud) Start(_ context.Context, req api.StartRequest) (api.StartResponse, error) {
	c.note("Start")
	c.mu.Lock()
	c.starts = append(c.starts, req)
	try := len(c.starts)
	c.mu.Unlock()
	if c.onStart != nil {
		if err := c.onStart(try); err != nil {
			return api.StartResponse{}, err
		}
	}
	resp := api.StartResponse{ID: c.id, Now: c.Now()}
	for _, vault := range c.vaults {
		v := api.VaultUpload{Vault: vault, UploadToken: tokenOf(vault), MaxSize: c.maxSize}
		for _, s := range req.Streams {
			v.Uploads = append(v.Uploads, api.StreamPlan{Name: s.Name, MaxParts: c.maxParts, Checksum: c.checksum})
		}
		resp.Vaults = append(resp.Vaults, v)
	}
	if c.answer != nil {
		c.answer(&resp)
	}
	return resp, nil
}

func tokenOf(vault string) string { return "upload-token of " + vault }

// under returns what the names of a vault's parts begin with.
func (c *cloud) under(token string) (prefix string, ok bool) {
	for _, vault := range c.vaults {
		if token == tokenOf(vault) {
			return strings.TrimPrefix(vault+":", "main:"), true
		}
	}
	return "", false
}

func (c *cloud) SignParts(_ context.Context, id holdfast.ID, req api.PartsRequest) (api.PartsResponse, error) {
	prefix, ok := c.under(req.UploadToken)
	if id != c.id || !ok {
		return api.PartsResponse{}, &api.Problem{Title: "no such upload", Status: 404, Type: api.ProblemNotFound}
	}
	var resp api.PartsResponse
	for _, p := range req.Parts {
		name := prefix + req.Stream + "/" + strconv.Itoa(p.Number)
		c.mu.Lock()
		c.signed[name]++
		try := c.signed[name]
		c.mu.Unlock()
		if c.onSign != nil {
			if err := c.onSign(p, try); err != nil {
				return api.PartsResponse{}, err
			}
		}
		expires := c.Now().Add(c.ttl)
		resp.Requests = append(resp.Requests, holdfast.Request{
			Method:  http.MethodPut,
			URL:     fmt.Sprintf("%s/%s?expires=%d&size=%d&signature=TOPSECRET", c.store.URL, name, expires.Unix(), p.Size),
			Header:  map[string]string{"X-Sum": p.Sum, "Content-Length": strconv.FormatInt(p.Size, 10)},
			Expires: expires,
		})
	}
	return resp, nil
}

func (c *cloud) put(w http.ResponseWriter, r *http.Request) {
	stream, number, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	part, _ := strconv.Atoi(number)
	name := stream + "/" + number
	c.mu.Lock()
	c.puts[name]++
	try := c.puts[name]
	c.mu.Unlock()
	if c.onPut != nil && c.onPut(w, r, part, try) {
		return
	}
	expires, _ := strconv.ParseInt(r.URL.Query().Get("expires"), 10, 64)
	if c.Now().Unix() > expires {
		io.Copy(io.Discard, r.Body)
		http.Error(w, "<Error><Code>AccessDenied</Code><Message>signature=TOPSECRET</Message></Error>", http.StatusForbidden)
		return
	}
	if strconv.FormatInt(r.ContentLength, 10) != r.URL.Query().Get("size") {
		http.Error(w, "length", http.StatusBadRequest)
		return
	}
	if c.discard {
		n, _ := io.Copy(io.Discard, r.Body)
		c.mu.Lock()
		c.sizes[stream] += n
		c.mu.Unlock()
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	sha, old := sha256.Sum256(body), md5.Sum(body)
	sum := hex.EncodeToString(sha[:])
	if c.checksum == holdfast.ChecksumMD5 {
		sum = hex.EncodeToString(old[:])
	}
	if sum != r.Header.Get("X-Sum") {
		http.Error(w, "<Error><Code>BadDigest</Code></Error>", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parts[stream] == nil {
		c.parts[stream] = map[int][]byte{}
	}
	c.parts[stream][part] = body
	w.Header().Set("ETag", fmt.Sprintf("%q", stream+"-"+number))
}

// object returns the parts of a stream, in order, as one.
func (c *cloud) object(stream string) []byte {
	var all []byte
	for n := 1; n <= len(c.parts[stream]); n++ {
		all = append(all, c.parts[stream][n]...)
	}
	return all
}

func (c *cloud) Commit(_ context.Context, id holdfast.ID, req api.CommitRequest) (api.CommitResponse, error) {
	c.note("Commit")
	c.mu.Lock()
	c.commits = append(c.commits, req)
	try := len(c.commits)
	c.mu.Unlock()
	m, err := holdfast.DecodeManifest(req.Manifest)
	prefix, ok := c.under(req.UploadToken)
	if err != nil || !ok {
		return api.CommitResponse{}, &api.Problem{Title: fmt.Sprint(err), Status: 400}
	}
	for _, s := range m.Streams {
		etags := req.ETags[s.Name]
		if len(s.Parts) != max(len(c.parts[prefix+s.Name]), 1) && !c.discard || !c.discard && len(etags) != len(s.Parts) {
			return api.CommitResponse{}, &api.Problem{Title: "parts are missing", Status: 422}
		}
	}
	c.mu.Lock()
	c.committed, c.manifest = true, m
	c.mu.Unlock()
	if c.onCommit != nil {
		if err := c.onCommit(try); err != nil {
			return api.CommitResponse{}, err
		}
	}
	return api.CommitResponse{Ref: m.Ref, Size: m.StoredSize()}, nil
}

func (c *cloud) Abort(ctx context.Context, id holdfast.ID, req api.AbortRequest) error {
	c.note("Abort")
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborts = append(c.aborts, req)
	return nil
}

func (c *cloud) Report(ctx context.Context, r holdfast.Report) (api.ReportResponse, error) {
	c.note("Report")
	if err := ctx.Err(); err != nil {
		return api.ReportResponse{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reports = append(c.reports, r)
	return api.ReportResponse{ID: testID}, nil
}

// fakeSource yields data and then err.
type fakeSource struct {
	file string
	data []byte
	err  error
	dump func(ctx context.Context, w io.Writer) error // instead of data and err
}

func (f *fakeSource) File() string { return f.file }

func (f *fakeSource) Examine(context.Context) []holdfast.Examination { return nil }

func (f *fakeSource) Dump(ctx context.Context, w io.Writer) (holdfast.Facts, error) {
	facts := holdfast.Facts{Kind: "command"}
	if f.dump != nil {
		return facts, f.dump(ctx, w)
	}
	for chunk := range slices.Chunk(f.data, 64<<10) {
		if _, err := w.Write(chunk); err != nil {
			return facts, fmt.Errorf("write: %w", err)
		}
	}
	return facts, f.err
}

var errOutage = errors.New("connection refused")

func unavailable(w http.ResponseWriter) bool {
	w.WriteHeader(http.StatusServiceUnavailable)
	return true
}
