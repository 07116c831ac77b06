package b2

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// gate is what stands in front of versitygw: it lets pass what the application
// key may do, and notes what comes of it.
func (s *Server) gate() http.Handler {
	target, _ := url.Parse(s.s3.URL)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		Transport:      &http.Transport{DisableCompression: true},
		ModifyResponse: s.noteS3,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := operationOf(r)
		if !s.begin("s3:"+o.name, w, r) {
			return
		}
		if code, why := s.mayPass(r, o); code != "" {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(map[string]int{"NotImplemented": 501, "InvalidArgument": 400, "AccessDenied": 403, "InvalidAccessKeyId": 403}[code])
			_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>", code, why)
			return
		}
		if o.writes {
			defer s.locks.lock(o.key)()
			s.quiet.RLock()
			defer s.quiet.RUnlock()
		}
		proxy.ServeHTTP(w, r)
	})
}

// operation is what a request to S3 asks for.
type operation struct {
	name, key string
	needs     []string // capabilities
	prefix    string   // of the names it is about: the key, or what is listed
	writes    bool
}

// operationOf follows https://www.backblaze.com/docs/cloud-storage-s3-compatible-app-keys
// as far as it says which capabilities a call needs; of ListParts it is taken from
// b2_list_parts.
func operationOf(r *http.Request) operation {
	q := r.URL.Query()
	_, rest, _ := strings.Cut(r.URL.Path, "/")
	_, key, _ := strings.Cut(rest, "/")
	o := operation{key: key, prefix: key}
	is := func(name string, needs ...string) operation {
		o.name, o.needs = name, needs
		return o
	}
	if key == "" {
		o.prefix = q.Get("prefix")
		switch {
		case r.Method == http.MethodPost && q.Has("delete"):
			o.prefix, o.writes = "", true
			return is("DeleteObjects", "writeFiles", "deleteFiles")
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			return is("Bucket", "writeBuckets")
		case q.Has("versions"):
			return is("ListObjectVersions", "listFiles")
		case q.Has("uploads"):
			return is("ListMultipartUploads", "listFiles")
		case q.Has("list-type"):
			return is("ListObjectsV2", "listFiles")
		}
		return is("Bucket", "listBuckets")
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		switch {
		case q.Has("uploadId"):
			return is("ListParts", "writeFiles")
		case q.Has("retention"):
			return is("GetObjectRetention", "readFileRetentions")
		case q.Has("legal-hold"):
			return is("GetObjectLegalHold", "readFileLegalHolds")
		}
		return is("GetObject", "readFiles")
	case http.MethodPut:
		switch {
		case q.Has("partNumber"):
			return is("UploadPart", "writeFiles")
		case q.Has("retention"):
			return is("PutObjectRetention", "writeFileRetentions")
		case q.Has("legal-hold"):
			return is("PutObjectLegalHold", "writeFileLegalHolds")
		case r.Header.Get("X-Amz-Copy-Source") != "":
			return is("CopyObject", "writeFiles", "readFiles")
		}
		o.writes = true
		return is("PutObject", "writeFiles")
	case http.MethodPost:
		if q.Has("uploads") {
			return is("CreateMultipartUpload", "writeFiles")
		}
		o.writes = true
		return is("CompleteMultipartUpload", "writeFiles")
	case http.MethodDelete:
		o.writes = true
		switch {
		case q.Has("uploadId"):
			return is("AbortMultipartUpload", "writeFiles")
		case q.Has("versionId"):
			return is("DeleteObject", "deleteFiles")
		}
		return is("DeleteObject", "writeFiles")
	}
	return is("Unknown", "none")
}

// mayPass returns the code of the error with which a request is refused, "" for
// one that may go on to versitygw, which checks its signature.
func (s *Server) mayPass(r *http.Request, o operation) (code, why string) {
	k := s.key(keyOf(r))
	if k == nil || k.ID == s.Master.ID {
		return "InvalidAccessKeyId", "The key is not valid"
	}
	bucket, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if bucket != s.Bucket {
		return "AccessDenied", "no such bucket for this key"
	}
	for _, capability := range o.needs {
		if !k.may(capability, o.prefix) {
			return "AccessDenied", "not entitled"
		}
	}
	if r.Method == http.MethodPut || r.Method == http.MethodPost {
		// https://www.backblaze.com/docs/cloud-storage-s3-compatible-api: what is
		// not supported is refused, not overlooked.
		for name := range r.Header {
			switch {
			case name == "If-None-Match" || name == "If-Match":
				return "NotImplemented", "A header you provided implies functionality that is not implemented."
			case strings.HasPrefix(name, "X-Amz-Checksum-"):
				return "InvalidArgument", "Unsupported header '" + strings.ToLower(name) + "' received for this API call."
			}
		}
	}
	return "", ""
}

// keyOf returns the id of the key that signed the request, as it says itself.
func keyOf(r *http.Request) string {
	credential := r.URL.Query().Get("X-Amz-Credential")
	if credential == "" {
		_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		credential = rest
	}
	id, _, _ := strings.Cut(credential, "/")
	return id
}

// noteS3 keeps in mind when versions were stored and large files begun.
func (s *Server) noteS3(r *http.Response) error {
	if r.StatusCode >= 300 {
		return nil
	}
	o := operationOf(r.Request)
	id := r.Header.Get("X-Amz-Version-Id")
	switch {
	case o.name == "CreateMultipartUpload":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var begun struct{ UploadId string }
		if err := xml.Unmarshal(body, &begun); err != nil {
			return err
		}
		s.note(begun.UploadId, file{name: o.key, stamp: s.stamp(), parts: map[int]string{}})
	case o.name == "CompleteMultipartUpload" && id != "":
		s.finish(r.Request.URL.Query().Get("uploadId"), id)
	case o.writes && o.name != "AbortMultipartUpload" && id != "" && s.noted(id).name == "":
		s.note(id, file{name: o.key, stamp: s.stamp()})
	}
	return nil
}
