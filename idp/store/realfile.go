package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// RealFile is the file that a path leads to, by links too. SQLite keeps its log beside that one, and the locks are there as well, so
// that whoever comes by another path meets them. A link that leads nowhere is an error: most often a volume is not mounted, and a
// database that was made then would be an empty one in the place of all that is kept.
func RealFile(path string) (string, error) {
	info, err := os.Lstat(path) //nolint:gosec // G703: the path is the admin's
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return path, nil
	}
	if err != nil {
		return "", err
	}
	file, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		to, err := os.Readlink(path)
		return "", errors.Join(fmt.Errorf("%s is a link to %s, which is not there: is its volume mounted? Without one to come, remove the link", path, to), err)
	}
	return file, err
}
