package visit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
)

// file is a file that is read into memory whole, and once more after it changed. Readers never wait: they have the
// old content until the new one is complete.
type file[T any] struct {
	path  string
	what  string // for errors: "country file"
	cure  string // for errors about what is in it or that there is none
	most  int64  // bytes
	parse func(path string, content []byte) (*T, error)

	content atomic.Pointer[reading[T]]

	mu   sync.Mutex // of refresh
	seen os.FileInfo
	err  error // of what was seen
}

// reading is what was read of a file, and a name for it.
type reading[T any] struct {
	parsed  *T
	version string
}

// get returns what was read last.
func (f *file[T]) get() *T { return f.content.Load().parsed }

// version names what was read last, so that a record can say of which content it was without keeping it.
func (f *file[T]) version() string { return f.content.Load().version }

// refresh reads the file if it is another than the one seen last, and reports whether its content was taken. What
// cannot be read or is broken leaves the old content in use. A broken file is not read again until it changes; its error
// is returned each time, the same value, so that whoever logs it can do so once.
func (f *file[T]) refresh() (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, err := os.Stat(f.path)
	if err != nil {
		f.seen = nil
		return false, f.unread(err)
	}
	if f.seen != nil && os.SameFile(f.seen, now) && f.seen.Size() == now.Size() && f.seen.ModTime().Equal(now.ModTime()) {
		return false, f.err
	}
	content, err := f.read(now)
	if err != nil {
		f.seen = nil
		return false, err
	}
	parsed, err := f.parse(f.path, content)
	if f.err = err; err != nil {
		return false, err
	}
	sum := sha256.Sum256(content)
	f.content.Store(&reading[T]{parsed, hex.EncodeToString(sum[:8])})
	return true, nil
}

// read returns the content and keeps what file it was of. The file is looked at after it is opened: whoever renames
// another into its place in between has that one read at the next refresh.
func (f *file[T]) read(now os.FileInfo) ([]byte, error) {
	if !now.Mode().IsRegular() {
		// A pipe would block, a device never end.
		return nil, fmt.Errorf("%s %s is no regular file: %s", f.what, f.path, f.cure)
	}
	opened, err := os.Open(f.path)
	if err != nil {
		return nil, f.unread(err)
	}
	defer opened.Close()
	if f.seen, err = opened.Stat(); err != nil {
		return nil, f.unread(err)
	}
	var content bytes.Buffer
	if size := f.seen.Size(); size <= f.most {
		content.Grow(int(size) + bytes.MinRead) // in one piece: it is kept
	}
	if _, err := content.ReadFrom(io.LimitReader(opened, f.most+1)); err != nil {
		return nil, f.unread(err)
	}
	if int64(content.Len()) > f.most {
		return nil, fmt.Errorf("%s %s has more than %d MiB: %s", f.what, f.path, f.most>>20, f.cure)
	}
	return content.Bytes(), nil
}

// unread is the error about a file that gave nothing.
func (f *file[T]) unread(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err // the path is said already
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s %s: %w: %s", f.what, f.path, err, f.cure)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s %s: %w: let the user that runs the server read it", f.what, f.path, err)
	}
	return fmt.Errorf("%s %s: %w", f.what, f.path, err)
}
