package b2

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func (s *Server) downloadByName(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		write(w, nil, &apiError{405, "method_not_allowed", "only GET and HEAD"})
		return
	}
	bucket, escaped, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/file/"), "/")
	name, err := url.QueryUnescape(escaped) // + is a space here too
	if err != nil || bucket != s.Bucket {
		write(w, nil, &apiError{404, "not_found", "no such bucket"})
		return
	}
	if err := s.mayDownload(r, name, true); err != nil {
		write(w, nil, err)
		return
	}
	all, err := s.versions(r.Context(), name)
	if err != nil {
		write(w, nil, err)
		return
	}
	for _, v := range all {
		if v.name == name && v.action != actionStart {
			s.send(w, r, v)
			return
		}
	}
	write(w, nil, &apiError{404, "not_found", "File with such name does not exist."})
}

func (s *Server) downloadByID(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("fileId")
	v, err := s.find(r.Context(), id)
	if err == nil {
		err = s.mayDownload(r, v.name, false)
	}
	if err != nil {
		write(w, nil, err)
		return
	}
	s.send(w, r, v)
}

// mayDownload returns an error unless the request is authorized to read the name:
// by an account's token or, by name alone, by a download authorization.
func (s *Server) mayDownload(r *http.Request, name string, byName bool) error {
	s.mu.Lock()
	public := s.bucket.Type == "allPublic"
	s.mu.Unlock()
	given := cmp.Or(r.Header.Get("Authorization"), r.URL.Query().Get("Authorization"))
	if given == "" && public {
		return nil
	}
	s.mu.Lock()
	d, ok := s.downloads[given]
	now := s.Now()
	s.mu.Unlock()
	if !ok || !byName {
		k, err := s.account(given)
		if err != nil {
			return err
		}
		if !k.may("readFiles", name) {
			return errUnauthorized
		}
		return nil
	}
	switch {
	case !now.Before(d.expires):
		return &apiError{401, "expired_auth_token", "Authorization token has expired"}
	case !strings.HasPrefix(name, d.prefix), d.disposition != r.URL.Query().Get("b2ContentDisposition"):
		return errUnauthorized
	}
	return nil
}

// send answers with the bytes of a version, or some of them.
func (s *Server) send(w http.ResponseWriter, r *http.Request, v version) {
	if v.action != actionUpload {
		write(w, nil, &apiError{404, "not_found", "File with such name does not exist."})
		return
	}
	in := &s3.GetObjectInput{Bucket: &s.Bucket, Key: &v.name, VersionId: &v.id}
	if piece := r.Header.Get("Range"); piece != "" {
		in.Range = &piece
	}
	out, err := s.client.GetObject(context.WithoutCancel(r.Context()), in)
	if err != nil {
		var answer *awshttp.ResponseError
		if errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusRequestedRangeNotSatisfiable {
			err = &apiError{416, "range_not_satisfiable", "The Range in the request is outside the size of the file."}
		}
		write(w, nil, err)
		return
	}
	defer out.Body.Close()
	h := w.Header()
	h.Set("Content-Length", strconv.FormatInt(*out.ContentLength, 10))
	h.Set("Content-Type", cmp.Or(r.URL.Query().Get("b2ContentType"), v.kind, "application/octet-stream"))
	h.Set("Accept-Ranges", "bytes")
	h.Set("X-Bz-File-Id", v.id)
	h.Set("X-Bz-File-Name", strings.ReplaceAll(url.QueryEscape(v.name), "%2F", "/"))
	h.Set("X-Bz-Content-Sha1", cmp.Or(v.sha1, "none"))
	h.Set("X-Bz-Upload-Timestamp", strconv.FormatInt(v.stamp.UnixMilli(), 10))
	for name, value := range v.info {
		h.Set("X-Bz-Info-"+name, url.PathEscape(value))
	}
	if d := r.URL.Query().Get("b2ContentDisposition"); d != "" {
		h.Set("Content-Disposition", d)
	}
	status := http.StatusOK
	if out.ContentRange != nil {
		h.Set("Content-Range", *out.ContentRange)
		status = http.StatusPartialContent
	}
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_, _ = io.Copy(w, out.Body)
	}
}
