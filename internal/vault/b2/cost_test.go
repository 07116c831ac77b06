package b2

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// large is the native API of a bucket with many objects, which nothing stores: only
// what is asked of it counts.
type large struct {
	objects int
	url     string
	mu      sync.Mutex
	calls   map[string]int
}

func (l *large) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	l.mu.Lock()
	l.calls[name]++
	l.mu.Unlock()
	var in struct {
		Count     int    `json:"maxFileCount"`
		StartName string `json:"startFileName"`
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	answer := map[string]any{}
	switch name {
	case "b2_authorize_account":
		answer["apiInfo"] = map[string]any{"storageApi": map[string]any{"apiUrl": l.url, "s3ApiUrl": l.url, "downloadUrl": l.url}}
	case "b2_list_buckets":
		answer["buckets"] = []any{map[string]any{"bucketId": "b", "bucketName": "acme-backups", "bucketType": "allPrivate"}}
	case "b2_list_file_versions":
		from := 0
		_, _ = fmt.Sscanf(in.StartName, "backups/web1/crm/%d/data", &from)
		var files []any
		for i := from; i < min(from+in.Count, l.objects); i++ {
			files = append(files, map[string]any{
				"fileName": fmt.Sprintf("backups/web1/crm/%06d/data", i), "fileId": fmt.Sprint(i), "action": "upload", "contentLength": 1, "uploadTimestamp": 1,
			})
		}
		answer["files"] = files
		if next := from + in.Count; next < l.objects {
			answer["nextFileName"], answer["nextFileId"] = fmt.Sprintf("backups/web1/crm/%06d/data", next), fmt.Sprint(next)
		}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// TestWhatAListingCosts counts what B2 charges for as class C.
func TestWhatAListingCosts(t *testing.T) {
	t.Parallel()
	l := &large{objects: 100_000, calls: map[string]int{}}
	server := httptest.NewServer(l)
	defer server.Close()
	l.url = server.URL
	v, err := New(Options{Bucket: "acme-backups", KeyID: "005", Key: secret.New("secret"), API: server.URL})
	must(t, err)
	counts := func(doing string, want int) {
		t.Helper()
		if got := l.calls["b2_list_file_versions"]; got != want {
			t.Errorf("%s: %d listings, want %d", doing, got, want)
		}
		clear(l.calls)
	}
	if got := len(keys(t, v, "backups/")); got != l.objects {
		t.Errorf("listed %d objects, want %d", got, l.objects)
	}
	counts("list 100,000 objects", 100)
	for range v.ListUploads(t.Context(), "backups/") {
		t.Error("there is an upload")
	}
	counts("list uploads among them", 100)
	if _, err := v.Posture(t.Context()); err != nil {
		t.Error(err)
	}
	counts("posture", 100)
	doomed := make([]string, 2500)
	for i := range doomed {
		doomed[i] = fmt.Sprintf("backups/web1/crm/%06d/data", 50_000+i)
	}
	for _, err := range v.DeleteBatch(t.Context(), doomed) {
		must(t, err)
	}
	counts("delete 2,500 that lie together", 3)
	for _, err := range v.DeleteBatch(t.Context(), []string{doomed[0], "backups/web1/crm/099999/data"}) {
		must(t, err)
	}
	counts("delete two that lie far apart", 2)
}

// TestWhatACommitCosts counts the calls of class C of the whole life of a backup with
// one stream.
func TestWhatACommitCosts(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	must(t, v.Put(t.Context(), "reports/first", nil)) // authorizes
	s.Calls()
	u, parts := send(t, v, data, []byte("the data"))
	must(t, v.CompleteUpload(t.Context(), u, parts, 8))
	must(t, v.Put(t.Context(), manifest, []byte("{}")))
	got, charged := s.Calls(), 0
	for _, call := range []string{"b2_list_file_versions", "b2_list_buckets", "b2_list_parts", "s3:ListObjectsV2", "s3:ListParts"} {
		charged += got[call]
	}
	if charged != 5 {
		t.Errorf("%d calls are charged for, want 5: %v", charged, got)
	}
}
