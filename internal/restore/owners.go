package restore

import (
	"archive/tar"
	"os/user"
	"strconv"
)

// owners finds the users and groups of this machine, by name where it has the
// name, else by number, as tar does.
type owners struct{ users, groups map[string]int }

func newOwners() *owners { return &owners{map[string]int{}, map[string]int{}} }

func (o *owners) of(h *tar.Header) (uid, gid int) {
	return number(o.users, h.Uname, h.Uid, func(name string) (string, error) {
			u, err := user.Lookup(name)
			if err != nil {
				return "", err
			}
			return u.Uid, nil
		}), number(o.groups, h.Gname, h.Gid, func(name string) (string, error) {
			g, err := user.LookupGroup(name)
			if err != nil {
				return "", err
			}
			return g.Gid, nil
		})
}

func number(known map[string]int, name string, otherwise int, lookup func(string) (string, error)) int {
	if name == "" {
		return otherwise
	}
	if n, ok := known[name]; ok {
		if n < 0 {
			return otherwise
		}
		return n
	}
	known[name] = -1
	if text, err := lookup(name); err == nil {
		if n, err := strconv.Atoi(text); err == nil {
			known[name] = n
			return n
		}
	}
	return otherwise
}
