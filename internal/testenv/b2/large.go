package b2

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (s *Server) startLarge(c *call) (any, error) {
	name := c.text("fileName")
	if err := c.mayIn("writeFiles", name); err != nil {
		return nil, err
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	info := map[string]string{}
	given, _ := c.args["fileInfo"].(map[string]any)
	for key, value := range given {
		info[strings.ToLower(key)], _ = value.(string)
	}
	kind := c.text("contentType")
	if kind == "b2/x-auto" {
		kind = "application/octet-stream"
	}
	out, err := s.client.CreateMultipartUpload(context.Background(), &s3.CreateMultipartUploadInput{Bucket: &s.Bucket, Key: &name, ContentType: &kind})
	if err != nil {
		return nil, err
	}
	f := file{name: name, kind: kind, info: info, stamp: s.stamp(), parts: map[int]string{}}
	s.note(*out.UploadId, f)
	return s.json(version{name: name, id: *out.UploadId, action: actionStart, file: f}), nil
}

// unfinished returns the unfinished large file of a call.
func (s *Server) unfinished(c *call) (version, error) {
	v, err := s.find(context.Background(), c.text("fileId"))
	if err != nil || v.action != actionStart {
		return v, &apiError{400, "bad_request", "No active upload for: " + c.text("fileId")}
	}
	return v, c.may("writeFiles", v.name)
}

func (s *Server) getPartURL(c *call) (any, error) {
	v, err := s.unfinished(c)
	if err != nil {
		return nil, err
	}
	answer := s.newUploadURL(c, "b2_upload_part", v.id)
	answer["fileId"] = v.id
	return answer, nil
}

func (s *Server) uploadPart(w http.ResponseWriter, r *http.Request) {
	u, done, err := s.take(r)
	if err != nil {
		write(w, nil, err)
		return
	}
	answer, err := s.storePart(u, r)
	done(err)
	write(w, answer, err)
}

func (s *Server) storePart(u *uploadURL, r *http.Request) (any, error) {
	number, err := strconv.Atoi(r.Header.Get("X-Bz-Part-Number"))
	if err != nil || number < 1 || number > 10_000 {
		return nil, &apiError{400, "bad_request", "part numbers are 1 to 10000"}
	}
	body, sum, err := receive(r)
	if err != nil {
		return nil, err
	}
	f := s.noted(u.large)
	_, err = s.client.UploadPart(r.Context(), &s3.UploadPartInput{
		Bucket: &s.Bucket, Key: &f.name, UploadId: &u.large, PartNumber: aws.Int32(int32(number)), Body: bytes.NewReader(body),
	})
	if isCode(err, "NoSuchUpload") {
		return nil, &apiError{400, "bad_request", "No active upload for: " + u.large}
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	if f.parts != nil { // nil where S3 began it
		f.parts[number] = sum
	}
	s.mu.Unlock()
	return map[string]any{
		"fileId": u.large, "partNumber": number, "contentLength": len(body), "contentSha1": sum, "uploadTimestamp": s.Now().UnixMilli(),
	}, nil
}

// parts returns the parts of an unfinished large file, in order.
func (s *Server) parts(v version) ([]types.Part, error) {
	var all []types.Part
	pages := s3.NewListPartsPaginator(s.client, &s3.ListPartsInput{Bucket: &s.Bucket, Key: &v.name, UploadId: &v.id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			return nil, err
		}
		all = append(all, page.Parts...)
	}
	return all, nil
}

func (s *Server) sumOf(v version, number int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return v.file.parts[number]
}

func (s *Server) listParts(c *call) (any, error) {
	v, err := s.unfinished(c)
	if err != nil {
		return nil, err
	}
	all, err := s.parts(v)
	if err != nil {
		return nil, err
	}
	shown := []any{}
	for _, p := range all {
		if int(*p.PartNumber) >= c.number("startPartNumber") {
			shown = append(shown, map[string]any{
				"fileId": v.id, "partNumber": *p.PartNumber, "contentLength": *p.Size,
				"contentSha1": s.sumOf(v, int(*p.PartNumber)), "uploadTimestamp": p.LastModified.UnixMilli(),
			})
		}
	}
	return map[string]any{"parts": shown, "nextPartNumber": nil}, nil
}

func (s *Server) finishLarge(c *call) (any, error) {
	v, err := s.unfinished(c)
	if err != nil {
		return nil, err
	}
	have, err := s.parts(v)
	if err != nil {
		return nil, err
	}
	sums := c.texts("partSha1Array")
	if len(sums) == 0 || len(have) != len(sums) {
		return nil, &apiError{400, "missing_part", "parts and checksums do not fit"}
	}
	named := make([]types.CompletedPart, len(sums))
	size := int64(0)
	for i, sum := range sums {
		if int(*have[i].PartNumber) != i+1 || s.sumOf(v, i+1) != sum {
			return nil, &apiError{400, "part_sha1_mismatch", "Part number " + strconv.Itoa(i+1)}
		}
		named[i] = types.CompletedPart{PartNumber: have[i].PartNumber, ETag: have[i].ETag}
		size += *have[i].Size
	}
	defer s.locks.lock(v.name)()
	s.quiet.RLock()
	defer s.quiet.RUnlock()
	out, err := s.client.CompleteMultipartUpload(context.Background(), &s3.CompleteMultipartUploadInput{
		Bucket: &s.Bucket, Key: &v.name, UploadId: &v.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: named},
	})
	if isCode(err, "EntityTooSmall") {
		return nil, &apiError{400, "bad_request", "a part is too small"}
	}
	if err != nil {
		return nil, err
	}
	id := aws.ToString(out.VersionId)
	return s.json(version{name: v.name, id: id, action: actionUpload, size: size, file: s.finish(v.id, id)}), nil
}

// finish notes that an unfinished large file has become a version.
func (s *Server) finish(upload, id string) file {
	now := s.stamp()
	s.mu.Lock()
	defer s.mu.Unlock()
	begun := s.files[upload]
	f := begun
	f.parts = nil
	if !s.Started || f.stamp.IsZero() {
		f.stamp = now
	}
	begun.finished = id
	s.files[upload], s.files[id] = begun, f
	return f
}

func (s *Server) cancelLarge(c *call) (any, error) {
	v, err := s.unfinished(c)
	if err != nil {
		return nil, err
	}
	defer s.locks.lock(v.name)()
	s.quiet.RLock()
	defer s.quiet.RUnlock()
	_, err = s.client.AbortMultipartUpload(context.Background(), &s3.AbortMultipartUploadInput{Bucket: &s.Bucket, Key: &v.name, UploadId: &v.id})
	if err != nil {
		return nil, err
	}
	return map[string]any{"accountId": s.AccountID, "bucketId": s.BucketID, "fileId": v.id, "fileName": v.name}, nil
}

func (s *Server) listUnfinished(c *call) (any, error) {
	prefix := c.text("namePrefix")
	if err := c.mayIn("listFiles", prefix); err != nil {
		return nil, err
	}
	all, err := s.versions(context.Background(), prefix)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(v version) bool { return v.action != actionStart })
	most := c.number("maxFileCount")
	if most == 0 {
		most = 100
	}
	from := max(0, slices.IndexFunc(all, func(v version) bool { return v.id == c.text("startFileId") }))
	files, next := []any{}, ""
	for _, v := range all[from:] {
		if len(files) == most {
			next = v.id
			break
		}
		files = append(files, s.json(v))
	}
	return map[string]any{"files": files, "nextFileId": orNull(next)}, nil
}

// AgeUnfinished makes an unfinished large file as old as d, for tests of what
// sweeps them.
func (s *Server) AgeUnfinished(id string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[id]
	f.stamp = s.Now().Add(-d)
	s.files[id] = f
}
