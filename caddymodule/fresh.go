package caddymodule

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// fresh looks now and then whether files were changed, when somebody needs them: there is no goroutine that would
// outlive the configuration.
type fresh struct {
	log   *slog.Logger
	every time.Duration

	next atomic.Int64 // when to look again, Unix nanoseconds
	mu   sync.Mutex
	look []func() (changed bool, err error)
	told map[int]string // the error of each file that was logged last
}

// add makes one more file be looked at.
func (f *fresh) add(refresh func() (bool, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.look = append(f.look, refresh)
	f.next.Store(time.Now().Add(f.every).UnixNano())
}

// refresh looks at the files if it is time. One request pays for it; the others go on with what is there.
func (f *fresh) refresh() {
	now, due := time.Now(), f.next.Load()
	if due == 0 || now.UnixNano() < due || !f.next.CompareAndSwap(due, now.Add(f.every).UnixNano()) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, look := range f.look {
		changed, err := look()
		switch {
		case err == nil:
			delete(f.told, i)
			if changed {
				f.log.Info("a file that policies read was changed and is read anew")
			}
		case f.told[i] != err.Error():
			if f.told == nil {
				f.told = map[int]string{}
			}
			f.told[i] = err.Error()
			f.log.Error("a file that policies read cannot be read; what it said before stays in force", "error", err)
		}
	}
}
