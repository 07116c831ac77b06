package b2

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// maxBody is the most that a test sends in one request, in bytes.
const maxBody = 128 << 20

func isCode(err error, codes ...string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode())
}

func (s *Server) getUploadURL(c *call) (any, error) {
	if err := c.mayIn("writeFiles", c.key.Prefix); err != nil {
		return nil, err
	}
	answer := s.newUploadURL(c, "b2_upload_file", "")
	answer["bucketId"] = s.BucketID
	return answer, nil
}

// receive reads the body of an upload and checks it against its SHA-1, which
// comes before it or, with hex_digits_at_end, after it.
func receive(r *http.Request) (body []byte, sum string, err error) {
	want := r.Header.Get("X-Bz-Content-Sha1")
	if r.ContentLength < 0 || want == "" {
		return nil, "", &apiError{400, "bad_request", "Content-Length and X-Bz-Content-Sha1 are required"}
	}
	body, err = io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return nil, "", &apiError{408, "request_timeout", "the body broke off"}
	}
	if want == "hex_digits_at_end" {
		if len(body) < 40 {
			return nil, "", &apiError{400, "bad_request", "no digits at the end"}
		}
		body, want = body[:len(body)-40], string(body[len(body)-40:])
	}
	digest := sha1.Sum(body)
	sum = hex.EncodeToString(digest[:])
	if want == "do_not_verify" {
		return body, "unverified:" + sum, nil
	}
	if want != sum {
		return nil, "", &apiError{400, "bad_request", "Checksum did not match data received"}
	}
	return body, sum, nil
}

// fileInfoOf returns what the headers X-Bz-Info-… say.
func fileInfoOf(h http.Header) (map[string]string, error) {
	info := map[string]string{}
	for name, values := range h {
		if rest, ok := strings.CutPrefix(name, "X-Bz-Info-"); ok {
			value, err := url.QueryUnescape(values[0])
			if err != nil {
				return nil, &apiError{400, "bad_request", "Bad percent encoding in " + name}
			}
			info[strings.ToLower(rest)] = value
		}
	}
	return info, nil
}

// checkName applies https://www.backblaze.com/docs/cloud-storage-files.
func checkName(name string) error {
	bad := func(r rune) bool { return r < ' ' || r == 0x7f }
	wrong := name == "" || len(name) > 1024 || strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") ||
		strings.Contains(name, "//") || strings.ContainsFunc(name, bad)
	for segment := range strings.SplitSeq(name, "/") {
		wrong = wrong || len(segment) > 250
	}
	if wrong {
		return &apiError{400, "bad_request", "File names must be 1 to 1024 bytes of UTF-8, with segments of at most 250"}
	}
	return nil
}

func (s *Server) uploadFile(w http.ResponseWriter, r *http.Request) {
	u, done, err := s.take(r)
	if err != nil {
		write(w, nil, err)
		return
	}
	answer, err := s.storeFile(u, r)
	done(err)
	write(w, answer, err)
}

func (s *Server) storeFile(u *uploadURL, r *http.Request) (any, error) {
	name, err := url.QueryUnescape(r.Header.Get("X-Bz-File-Name"))
	if err != nil {
		return nil, &apiError{400, "bad_request", "Bad percent encoding in the name"}
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	if s.key(u.key.ID) == nil || !u.key.may("writeFiles", name) {
		return nil, errUnauthorized
	}
	body, sum, err := receive(r)
	if err != nil {
		return nil, err
	}
	info, err := fileInfoOf(r.Header)
	if err != nil {
		return nil, err
	}
	kind := r.Header.Get("Content-Type")
	if kind == "b2/x-auto" {
		kind = "application/octet-stream"
	}
	defer s.locks.lock(name)()
	s.quiet.RLock()
	defer s.quiet.RUnlock()
	out, err := s.client.PutObject(r.Context(), &s3.PutObjectInput{
		Bucket: &s.Bucket, Key: &name, Body: bytes.NewReader(body), ContentType: &kind, ContentMD5: aws.String(md5Of(body)),
	})
	if err != nil {
		return nil, err
	}
	f := file{name: name, sha1: sum, kind: kind, info: info, stamp: s.stamp()}
	s.note(aws.ToString(out.VersionId), f)
	digest := md5.Sum(body)
	return s.json(version{
		name: name, id: aws.ToString(out.VersionId), action: actionUpload, size: int64(len(body)), md5: hex.EncodeToString(digest[:]), file: f,
	}), nil
}

func md5Of(body []byte) string {
	sum := md5.Sum(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}
