package doctor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/holdfast-backup/holdfast"
)

// exposure tries on the file of an object in a directory of this host's what
// whoever runs pusher can do there besides adding. The file is gone afterwards, if
// that can be.
func exposure(dir, key string) ([]holdfast.Examination, error) {
	file := filepath.Join(dir, filepath.FromSlash(key))
	if _, err := os.Lstat(file); err != nil {
		return nil, err
	}
	var found []holdfast.Examination
	for _, try := range []struct {
		name, means string
		do          func(file string) error
	}{
		{"list backups", "their names, times and sizes can be seen", func(file string) error {
			_, err := os.ReadDir(filepath.Dir(file))
			return err
		}},
		{"read backups", "what is encrypted stays unreadable without the key", func(file string) error {
			_, err := os.ReadFile(file)
			return err
		}},
		{"overwrite backups", "a backup can be spoilt", overwrite},
		{"rename backups", "a backup can be hidden", rename},
		{"delete backups", "backups can be destroyed", os.Remove},
	} {
		switch err := try.do(file); {
		case err == nil:
			found = append(found, holdfast.Examination{Name: try.name, Detail: "works: " + try.means})
		case errors.Is(err, fs.ErrPermission):
			found = append(found, holdfast.Examination{Name: try.name, OK: true, Detail: "refused"})
		default:
			return found, err
		}
	}
	// The directory of scratch space goes too, if nothing else is in it.
	_ = os.Remove(filepath.Dir(file))
	return found, nil
}

func overwrite(file string) error {
	body, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	return errors.Join(err, f.Close())
}

func rename(file string) error {
	away := filepath.Join(filepath.Dir(file), ".moved-"+filepath.Base(file))
	if err := os.Rename(file, away); err != nil {
		return err
	}
	return os.Rename(away, file)
}
