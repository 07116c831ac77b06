package presigned

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
)

func TestARequestIsSentAsItWasSigned(t *testing.T) {
	var got *http.Request
	var body string
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got, body = r, string(sent)
	}))
	defer store.Close()
	signed := holdfast.Request{Method: http.MethodPut, URL: store.URL + "/k?sig=s", Header: map[string]string{
		"host": "bucket.example.com", "Content-Length": "99", "x-amz-checksum-sha256": "c",
	}}
	// A reader of which net/http can't tell the length.
	req, err := NewRequest(t.Context(), signed, io.MultiReader(strings.NewReader("data")), 4)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := Do(NewUploadClient(1), req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got.Method != "PUT" || got.URL.RawQuery != "sig=s" || got.Host != "bucket.example.com" || got.ContentLength != 4 || got.Header.Get("X-Amz-Checksum-Sha256") != "c" || body != "data" {
		t.Errorf("got %s %s, host %s, %d bytes %q, %v", got.Method, got.URL, got.Host, got.ContentLength, body, got.Header)
	}

	signed.Method = http.MethodGet
	if req, err = NewRequest(t.Context(), signed, nil, 0); err != nil {
		t.Fatal(err)
	}
	if resp, err = Do(http.DefaultClient, req); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got.Method != "GET" || got.ContentLength != 0 || body != "" {
		t.Errorf("without a body: got %s, %d bytes", got.Method, got.ContentLength)
	}
}

func TestUploadsFollowNoRedirect(t *testing.T) {
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			t.Error("the redirect was followed")
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer store.Close()
	req, err := NewRequest(t.Context(), holdfast.Request{Method: http.MethodPut, URL: store.URL}, strings.NewReader("x"), 1)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := Do(NewUploadClient(1), req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("got %s, want the redirect itself", resp.Status)
	}
}

func TestNoErrorHoldsTheURL(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, url := range map[string]string{
		"no URL": "http://h/%zz?sig=TOPSECRET", "nobody there": closed.URL + "/?sig=TOPSECRET", "no scheme": "h/?sig=TOPSECRET",
	} {
		req, err := NewRequest(t.Context(), holdfast.Request{Method: "GET", URL: url}, nil, 0)
		if err == nil {
			_, err = Do(http.DefaultClient, req)
		}
		if err == nil || strings.Contains(err.Error(), "TOPSECRET") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
