package b2

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/Backblaze/blazer/base"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Role is a part of Holdfast with the least key that it needs.
type Role struct {
	Name         string
	Capabilities []string
	Can          string // what the key is for
	Cannot       string // what it is refused
	Stolen       string // what whoever steals it can do
}

// Roles returns the roles that there are keys for.
func Roles() []Role {
	return []Role{
		{
			Name:         "broker",
			Capabilities: []string{"listBuckets", "listFiles", "writeFiles"},
			Can:          "see names and sizes, begin, complete and cancel uploads, store manifests and reports",
			Cannot:       "read anything, delete a version, sign downloads, see or change other buckets, keys or the bucket's settings",
			Stolen: "see the names and sizes of all backups; hide names and store later versions under them, which Holdfast overlooks " +
				"and the monitor reports; cancel uploads under way; store what looks like backups or state, and fill the bucket up to the account's cap. " +
				"No backup can be read, changed or deleted with it, unless a lifecycle rule deletes hidden files",
		},
		{
			Name: "retention",
			Capabilities: []string{
				"listBuckets", "listFiles", "readFiles", "writeFiles", "deleteFiles", "readFileRetentions", "readFileLegalHolds",
			},
			Can:    "see, read and delete backups, and keep its record under state/",
			Cannot: "lift a lock, give out download links, see or change other buckets, keys or the bucket's settings",
			Stolen: "delete every backup that no file lock protects, and read what is stored, which is encrypted. Keep it where only retention runs",
		},
		{
			Name:         "monitor",
			Capabilities: []string{"listBuckets", "listFiles", "readFiles", "writeFiles"},
			Can:          "see and read backups, and keep its state and the status page",
			Cannot:       "delete a version, give out download links of B2's own, see or change other buckets, keys or the bucket's settings",
			Stolen:       "what a stolen broker's key can do, and read what is stored, which is encrypted",
		},
		{
			Name:         "restore",
			Capabilities: []string{"listBuckets", "listFiles", "readFiles", "shareFiles"},
			Can:          "see and read backups and give out download links",
			Cannot:       "store, hide or delete anything, see or change other buckets, keys or the bucket's settings",
			Stolen:       "read what is stored, which is encrypted, and see all names",
		},
		{
			Name: "all",
			Capabilities: []string{
				"listBuckets", "listFiles", "readFiles", "shareFiles", "writeFiles", "deleteFiles", "readFileRetentions", "readFileLegalHolds",
			},
			Can:    "do all that `holdfast serve` and the commands do with one key",
			Cannot: "lift a lock, see or change other buckets, keys or the bucket's settings",
			Stolen: "delete every backup that no file lock protects, and read what is stored, which is encrypted",
		},
	}
}

// RoleOf returns the role of that name.
func RoleOf(name string) (Role, error) {
	var names []string
	for _, role := range Roles() {
		if role.Name == name {
			return role, nil
		}
		names = append(names, role.Name)
	}
	last := len(names) - 1
	return Role{}, fmt.Errorf("role %q: want %s or %s", name, strings.Join(names[:last], ", "), names[last])
}

// Key is an application key that was made.
type Key struct {
	ID     string
	Secret secret.Secret
}

// NewKey makes an application key that is good for this bucket and prefix and has the
// role's capabilities, for a lifetime, 0 being forever. It needs the capability
// writeKeys. It makes one attempt: of one whose answer was lost a key would stay
// behind.
func (v *Vault) NewKey(ctx context.Context, name string, role Role, life time.Duration) (Key, error) {
	s, err := v.session(ctx)
	if err != nil {
		return Key{}, err
	}
	var made *base.Key
	c := call{"b2_create_key", "writeKeys"}
	err = v.refusal(c, within(ctx, v.callTime, func(ctx context.Context) (err error) {
		made, err = s.api.CreateKey(ctx, name, role.Capabilities, life, s.bucket.ID, v.prefix)
		return err
	}))
	if err != nil {
		return Key{}, fmt.Errorf("make key %q: %w", name, err)
	}
	return Key{made.ID, secret.New(made.Secret)}, nil
}
