package b2

import (
	"context"
	"strings"
)

// listing is what the two calls that list have in common.
type listing struct {
	prefix, delimiter string
	most              int
}

func (s *Server) listing(c *call) (listing, error) {
	l := listing{c.text("prefix"), c.text("delimiter"), c.number("maxFileCount")}
	if l.most == 0 {
		l.most = 100
	}
	if l.most < 1 || l.most > 10_000 {
		return l, &apiError{400, "out_of_range", "maxFileCount must be 1 to 10000"}
	}
	return l, c.mayIn("listFiles", l.prefix)
}

// folder returns the folder that stands for the name in a listing with a
// delimiter.
func (l listing) folder(name string) (string, bool) {
	if l.delimiter == "" {
		return "", false
	}
	i := strings.Index(name[len(l.prefix):], l.delimiter)
	if i < 0 {
		return "", false
	}
	return name[:len(l.prefix)+i+len(l.delimiter)], true
}

// fold puts folders in the place of what lies in them.
func (l listing) fold(all []version) []version {
	var folded []version
	last := ""
	for _, v := range all {
		folder, ok := l.folder(v.name)
		if !ok {
			folded = append(folded, v)
		} else if folder != last {
			last = folder
			folded = append(folded, version{name: folder, action: actionFolder})
		}
	}
	return folded
}

func (s *Server) listVersions(c *call) (any, error) {
	l, err := s.listing(c)
	if err != nil {
		return nil, err
	}
	all, err := s.versions(context.Background(), l.prefix)
	if err != nil {
		return nil, err
	}
	all = l.fold(all)
	startName, startID := c.text("startFileName"), c.text("startFileId")
	if startID != "" && startName == "" {
		return nil, &apiError{400, "bad_request", "startFileId needs startFileName"}
	}
	begun := startID == ""
	files, next := []any{}, version{}
	for _, v := range all {
		if v.name < startName {
			continue
		}
		begun = begun || v.id == startID || v.name > startName
		if !begun {
			continue
		}
		if len(files) == l.most {
			next = v
			break
		}
		files = append(files, s.json(v))
	}
	return map[string]any{"files": files, "nextFileName": orNull(next.name), "nextFileId": orNull(next.id)}, nil
}

func (s *Server) listNames(c *call) (any, error) {
	l, err := s.listing(c)
	if err != nil {
		return nil, err
	}
	all, err := s.versions(context.Background(), l.prefix)
	if err != nil {
		return nil, err
	}
	var newest []version // of each name, as far as it is not hidden
	last := ""
	for _, v := range all {
		if v.action == actionStart || v.name == last {
			continue
		}
		last = v.name
		if v.action == actionUpload {
			newest = append(newest, v)
		}
	}
	files, next := []any{}, ""
	for _, v := range l.fold(newest) {
		if v.name < c.text("startFileName") {
			continue
		}
		if len(files) == l.most {
			next = v.name
			break
		}
		files = append(files, s.json(v))
	}
	return map[string]any{"files": files, "nextFileName": orNull(next)}, nil
}
