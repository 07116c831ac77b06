package b2

import "encoding/json"

// LifecycleRule is what happens to files whose name begins with the prefix; nil
// is never.
type LifecycleRule struct {
	Prefix       string `json:"fileNamePrefix"`
	HideAfter    *int   `json:"daysFromUploadingToHiding"`
	DeleteHidden *int   `json:"daysFromHidingToDeleting"`
}

// bucketSettings are those that versitygw has no place for.
type bucketSettings struct {
	Type     string
	Info     map[string]any
	Rules    []LifecycleRule
	Revision int
}

// bucketJSON is the bucket as the API shows it.
func (s *Server) bucketJSON() map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, rules := s.bucket.Info, s.bucket.Rules
	if info == nil {
		info = map[string]any{}
	}
	if rules == nil {
		rules = []LifecycleRule{}
	}
	return map[string]any{
		"accountId": s.AccountID, "bucketId": s.BucketID, "bucketName": s.Bucket, "bucketType": s.bucket.Type,
		"bucketInfo": info, "corsRules": []any{}, "lifecycleRules": rules, "revision": s.bucket.Revision, "options": []string{"s3"},
	}
}

func (s *Server) listBuckets(c *call) (any, error) {
	if !c.key.may("listBuckets", c.key.Prefix) {
		return nil, errUnauthorized
	}
	id, name := c.text("bucketId"), c.text("bucketName")
	// A key for one bucket has to name it.
	if c.key.BucketID != "" && id != c.key.BucketID && name != s.Bucket {
		return nil, errUnauthorized
	}
	buckets := []any{}
	if (id == "" || id == s.BucketID) && (name == "" || name == s.Bucket) {
		buckets = append(buckets, s.bucketJSON())
	}
	return map[string]any{"buckets": buckets}, nil
}

func (s *Server) updateBucket(c *call) (any, error) {
	if err := c.mayIn("writeBuckets", ""); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if revision := c.number("ifRevisionIs"); revision != 0 && revision != s.bucket.Revision {
		s.mu.Unlock()
		return nil, &apiError{409, "conflict", "the bucket has changed"}
	}
	if kind := c.text("bucketType"); kind != "" {
		s.bucket.Type = kind
	}
	if info, ok := c.args["bucketInfo"].(map[string]any); ok {
		s.bucket.Info = info
	}
	if rules, ok := c.args["lifecycleRules"]; ok {
		text, _ := json.Marshal(rules)
		s.bucket.Rules = nil
		if err := json.Unmarshal(text, &s.bucket.Rules); err != nil {
			s.mu.Unlock()
			return nil, &apiError{400, "bad_request", err.Error()}
		}
	}
	s.bucket.Revision++
	s.mu.Unlock()
	return s.bucketJSON(), nil
}

// createBucket finds that the bucket is there, which is what clients ask it for.
func (s *Server) createBucket(c *call) (any, error) {
	if err := c.may("writeBuckets", ""); err != nil {
		return nil, err
	}
	if c.text("bucketName") == s.Bucket {
		return nil, &apiError{400, "duplicate_bucket_name", "Bucket name is already in use."}
	}
	return nil, &apiError{400, "too_many_buckets", "the stand-in has one bucket"}
}
