package b2

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Actions of a file version.
const (
	actionUpload = "upload"
	actionHide   = "hide"
	actionStart  = "start"
	actionFolder = "folder"
)

// file is what versitygw has no place for of a version, by the version's id.
type file struct {
	name       string
	sha1, kind string // kind is the content type
	info       map[string]string
	stamp      time.Time      // when it was stored, or begun
	parts      map[int]string // SHA-1 of the parts of an unfinished large file
	finished   string         // id of the version that an unfinished large file became
}

// version is a version of a file, a hide marker or an unfinished large file.
type version struct {
	name, id, action string
	size             int64
	md5              string
	file
}

// note keeps what versitygw has no place for.
func (s *Server) note(id string, f file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[id] = f
}

func (s *Server) noted(id string) file {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files[id]
}

// versions returns all versions of all names with the prefix, in the order of
// b2_list_file_versions: by name, the newest of each first.
func (s *Server) versions(ctx context.Context, prefix string) ([]version, error) {
	// While it moves versions about, versitygw lists fewer than there are.
	s.quiet.Lock()
	defer s.quiet.Unlock()
	var all []version
	seen := map[string]bool{}
	add := func(name, id *string, action string, size int64, etag *string, modified *time.Time) {
		if seen[*id] || !strings.HasPrefix(*name, prefix) { // versitygw begins a page with what ended the last
			return
		}
		seen[*id] = true
		v := version{name: *name, id: *id, action: action, size: size, md5: strings.Trim(aws.ToString(etag), `"`), file: s.noted(*id)}
		if strings.Contains(v.md5, "-") {
			v.md5 = ""
		}
		if v.stamp.IsZero() {
			v.stamp = aws.ToTime(modified)
		}
		all = append(all, v)
	}
	pages := s3.NewListObjectVersionsPaginator(s.client, &s3.ListObjectVersionsInput{Bucket: &s.Bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Versions {
			add(o.Key, o.VersionId, actionUpload, aws.ToInt64(o.Size), o.ETag, o.LastModified)
		}
		for _, m := range page.DeleteMarkers {
			add(m.Key, m.VersionId, actionHide, 0, nil, m.LastModified)
		}
	}
	uploads := &s3.ListMultipartUploadsInput{Bucket: &s.Bucket, Prefix: &prefix}
	for {
		page, err := s.client.ListMultipartUploads(ctx, uploads)
		if err != nil {
			return nil, err
		}
		for _, u := range page.Uploads {
			add(u.Key, u.UploadId, actionStart, 0, nil, u.Initiated)
		}
		if !aws.ToBool(page.IsTruncated) {
			break
		}
		uploads.KeyMarker = page.NextKeyMarker
	}
	slices.SortStableFunc(all, func(a, b version) int { return cmp.Or(cmp.Compare(a.name, b.name), b.stamp.Compare(a.stamp)) })
	return all, nil
}

// find returns the version with that id.
func (s *Server) find(ctx context.Context, id string) (version, error) {
	f := s.noted(id)
	if f.finished != "" {
		id, f = f.finished, s.noted(f.finished)
	}
	all, err := s.versions(ctx, f.name)
	if err != nil {
		return version{}, err
	}
	for _, v := range all {
		if v.id == id {
			return v, nil
		}
	}
	return version{}, &apiError{404, "not_found", "no such file"}
}

// json is the version as the API shows it.
func (s *Server) json(v version) map[string]any {
	shown := map[string]any{
		"accountId": s.AccountID, "bucketId": s.BucketID, "action": v.action, "fileId": v.id, "fileName": v.name,
		"contentLength": v.size, "size": v.size, "contentSha1": nil, "contentMd5": nil, "contentType": nil, "fileInfo": map[string]string{},
		"uploadTimestamp": v.stamp.UnixMilli(),
	}
	if v.action == actionFolder {
		shown["fileId"], shown["uploadTimestamp"] = nil, 0
	}
	if v.info != nil {
		shown["fileInfo"] = v.info
	}
	if v.action == actionUpload || v.action == actionStart {
		shown["contentType"] = cmp.Or(v.kind, "application/octet-stream")
		shown["contentSha1"] = cmp.Or(v.sha1, "none")
		shown["contentMd5"] = orNull(v.md5)
	}
	return shown
}

func (s *Server) fileInfo(c *call) (any, error) {
	v, err := s.find(context.Background(), c.text("fileId"))
	if err != nil {
		return nil, err
	}
	if err := c.may("readFiles", v.name); err != nil {
		return nil, err
	}
	return s.json(v), nil
}

func (s *Server) hide(c *call) (any, error) {
	name := c.text("fileName")
	if err := c.mayIn("writeFiles", name); err != nil {
		return nil, err
	}
	defer s.locks.lock(name)()
	all, err := s.versions(context.Background(), name)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(v version) bool { return v.name != name || v.action == actionStart })
	switch {
	case len(all) == 0:
		return nil, &apiError{400, "no_such_file", "File not present: " + name}
	case all[0].action == actionHide:
		return nil, &apiError{400, "already_hidden", "File already hidden: " + name}
	}
	s.quiet.RLock()
	out, err := s.client.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: &s.Bucket, Key: &name})
	s.quiet.RUnlock()
	if err != nil {
		return nil, err
	}
	v := version{name: name, id: aws.ToString(out.VersionId), action: actionHide, file: file{name: name, stamp: s.stamp()}}
	s.note(v.id, v.file)
	return s.json(v), nil
}

func (s *Server) deleteVersion(c *call) (any, error) {
	name, id := c.text("fileName"), c.text("fileId")
	if err := c.may("deleteFiles", name); err != nil {
		return nil, err
	}
	defer s.locks.lock(name)()
	v, err := s.find(context.Background(), id)
	if err != nil || v.name != name {
		return nil, &apiError{400, "file_not_present", "File not present: " + name + " " + id}
	}
	s.quiet.RLock()
	defer s.quiet.RUnlock()
	if v.action == actionStart {
		_, err = s.client.AbortMultipartUpload(context.Background(), &s3.AbortMultipartUploadInput{Bucket: &s.Bucket, Key: &name, UploadId: &v.id})
	} else {
		_, err = s.client.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: &s.Bucket, Key: &name, VersionId: &v.id})
	}
	if isCode(err, "AccessDenied", "InvalidRequest") { // locked
		return nil, &apiError{401, "access_denied", "access denied"}
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"fileId": id, "fileName": name}, nil
}
