package b2

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// apiError is an error as the native API answers it.
type apiError struct {
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

// Fault is what a test wants a call to suffer.
type Fault struct {
	Status        int
	Code, Message string
	RetryAfter    int  // seconds
	Drop          bool // the connection, without an answer
	Hang          bool // until the client gives up
}

// FailWith has fail asked before every call; nil means that all is well. op is the
// name of a native call, or s3: and that of one of S3.
func (s *Server) FailWith(fail func(op string, r *http.Request) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

// begin counts a call and reports whether it goes on.
func (s *Server) begin(op string, w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	s.calls[op]++
	fail := s.fail
	s.mu.Unlock()
	if fail == nil {
		return true
	}
	f := fail(op, r)
	switch {
	case f == nil:
		return true
	case f.Hang:
		_, _ = io.Copy(io.Discard, r.Body) // or the end of the client would go unnoticed
		<-r.Context().Done()
	case f.Drop:
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.Close()
		}
	default:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		write(w, nil, &apiError{f.Status, f.Code, f.Message})
	}
	return false
}

// call is one call of the native API.
type call struct {
	server *Server
	host   string // that it was sent to
	key    *Key
	args   map[string]any
}

func (c *call) text(name string) string {
	text, _ := c.args[name].(string)
	return text
}

func (c *call) texts(name string) (all []string) {
	list, _ := c.args[name].([]any)
	for _, one := range list {
		if text, ok := one.(string); ok {
			all = append(all, text)
		}
	}
	return all
}

func (c *call) number(name string) int {
	number, _ := c.args[name].(float64)
	return int(number)
}

// may returns an error unless the key has the capability for the name.
func (c *call) may(capability, name string) error {
	if !c.key.may(capability, name) {
		return errUnauthorized
	}
	return nil
}

// mayIn is may, in the bucket that the call names.
func (c *call) mayIn(capability, name string) error {
	id := c.text("bucketId")
	if id != c.server.BucketID {
		return &apiError{400, "bad_bucket_id", "Bad bucket id"}
	}
	if c.key.BucketID != "" && c.key.BucketID != id {
		return errUnauthorized
	}
	return c.may(capability, name)
}

// handler serves the native API, downloads and, on all other paths, S3.
func (s *Server) handler() http.Handler {
	calls := map[string]func(*call) (any, error){
		"b2_list_buckets": s.listBuckets, "b2_update_bucket": s.updateBucket, "b2_create_bucket": s.createBucket,
		"b2_create_key": s.createKey, "b2_list_keys": s.listKeys, "b2_delete_key": s.deleteKey,
		"b2_get_upload_url": s.getUploadURL, "b2_hide_file": s.hide, "b2_get_file_info": s.fileInfo,
		"b2_delete_file_version": s.deleteVersion, "b2_list_file_names": s.listNames, "b2_list_file_versions": s.listVersions,
		"b2_get_download_authorization": s.downloadAuthorization,
		"b2_start_large_file":           s.startLarge, "b2_get_upload_part_url": s.getPartURL, "b2_finish_large_file": s.finishLarge,
		"b2_cancel_large_file": s.cancelLarge, "b2_list_parts": s.listParts, "b2_list_unfinished_large_files": s.listUnfinished,
	}
	gate := s.gate()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/file/") {
			if s.begin("b2_download_file_by_name", w, r) {
				s.downloadByName(w, r)
			}
			return
		}
		rest, ok := strings.CutPrefix(r.URL.Path, "/b2api/v")
		if !ok {
			gate.ServeHTTP(w, r)
			return
		}
		_, path, _ := strings.Cut(rest, "/")
		name, _, _ := strings.Cut(path, "/")
		if !s.begin(name, w, r) {
			return
		}
		switch name {
		case "b2_authorize_account":
			s.authorize(w, r)
		case "b2_upload_file":
			s.uploadFile(w, r)
		case "b2_upload_part":
			s.uploadPart(w, r)
		case "b2_download_file_by_id":
			s.downloadByID(w, r)
		default:
			s.call(calls[name], w, r)
		}
	})
}

func (s *Server) call(do func(*call) (any, error), w http.ResponseWriter, r *http.Request) {
	if do == nil {
		write(w, nil, &apiError{400, "bad_request", "unknown call " + r.URL.Path})
		return
	}
	k, err := s.account(r.Header.Get("Authorization"))
	if err != nil {
		write(w, nil, err)
		return
	}
	c := &call{server: s, host: r.Host, key: k}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&c.args); err != nil {
		write(w, nil, &apiError{400, "bad_json", err.Error()})
		return
	}
	answer, err := do(c)
	write(w, answer, err)
}

func write(w http.ResponseWriter, answer any, err error) {
	status := http.StatusOK
	if err != nil {
		failed := &apiError{500, "internal_error", err.Error()}
		errors.As(err, &failed)
		status, answer = failed.Status, failed
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}
