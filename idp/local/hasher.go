package local

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/semaphore"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Bounds says how much hashing may go on at once. Zero fields take the defaults.
type Bounds struct {
	Parallel int           // hashes at work, and cores they use; default GOMAXPROCS
	Queue    int           // logins that wait for their turn; default 512, negative for none
	Wait     time.Duration // longest wait for a turn; default 15 s. The context's deadline counts too
}

// quiet is how long after the last hash the memory goes back to the system.
const quiet = 10 * time.Second

// slot is how much memory one of Parallel may use: what RFC 9106 §4 recommends for a hash. A hash
// that needs more takes several slots.
const slot = 64 << 10 // KiB

// Hasher checks passwords and keeps that from taking the machine: argon2id is slow and large on
// purpose, so that anybody who can send a form could otherwise use up its memory. A hash takes a
// slot for each 64 MiB and for each lane, because a second lane is a second core. With n slots and
// hashes of up to 64 MiB, n × 64 MiB are in use and hardly more than half of that again is garbage.
// One Hasher serves all sources of the process, before and after a reload. It is safe for
// concurrent use.
type Hasher struct {
	slots   *semaphore.Weighted
	size    int64
	most    int64 // at work and waiting
	wait    time.Duration
	pending atomic.Int64

	mu      sync.Mutex
	garbage int64       // KiB left behind since the last collection
	settle  *time.Timer // gives memory back once it is quiet

	derive  func(password, salt []byte, p params) []byte // argon2id, but in tests
	collect func()                                       // runtime.GC, but in tests
	giveUp  func()                                       // debug.FreeOSMemory, but in tests
}

// NewHasher returns a hasher with these bounds.
func NewHasher(b Bounds) *Hasher {
	if b.Parallel <= 0 {
		b.Parallel = runtime.GOMAXPROCS(0)
	}
	switch {
	case b.Queue == 0:
		b.Queue = 512
	case b.Queue < 0:
		b.Queue = 0
	}
	if b.Wait <= 0 {
		b.Wait = 15 * time.Second
	}
	return &Hasher{
		slots:   semaphore.NewWeighted(int64(b.Parallel)),
		size:    int64(b.Parallel),
		most:    int64(b.Parallel) + int64(b.Queue),
		wait:    b.Wait,
		derive:  argon2id,
		collect: runtime.GC,
		giveUp:  debug.FreeOSMemory,
	}
}

// argon2id derives as many bytes as the hash has.
func argon2id(password, salt []byte, p params) []byte {
	return argon2.IDKey(password, salt, p.time, p.memory, p.lanes, uint32(p.key)) //nolint:gosec // G115: at most maxKey
}

// errQueueFull says that too many logins wait already.
var errQueueFull = errors.New("the queue for password hashing is full")

// matches reports whether password is the one that was hashed. Where its turn does not come, it
// answers an *idp.Error with status 503, at once when the queue is full.
func (h *Hasher) matches(ctx context.Context, want hash, password string) (bool, error) {
	defer h.pending.Add(-1)
	if h.pending.Add(1) > h.most {
		return false, busy(errQueueFull)
	}
	waiting, cancel := context.WithTimeout(ctx, h.wait)
	defer cancel()
	n := h.weight(want.params)
	if err := h.slots.Acquire(waiting, n); err != nil {
		return false, busy(err)
	}
	defer h.slots.Release(n)
	defer h.discard(want.memory)
	got := h.derive([]byte(password), want.saltBytes, want.params)
	return subtle.ConstantTimeCompare(got, want.keyBytes) == 1, nil
}

// weight is how many slots a hash takes; one that is too large for all of them runs alone.
func (h *Hasher) weight(p params) int64 {
	n := max(int64(p.lanes), (int64(p.memory)+slot-1)/slot)
	return min(n, h.size)
}

// discard counts the memory that a hash left behind and has it collected before it is too much. The
// collector by itself waits until the heap has doubled, and doubles it from what it finds in use, so
// that a burst of logins would grow the heap well past what the slots allow. The caller holds its
// slot meanwhile. The memory of a hash holds no pointers, so that a collection costs little beside
// the hash itself; handing it back to the system costs more, and waits until it is quiet, except
// after a hash so large that its place is not used again by the next one.
func (h *Hasher) discard(memory uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.settle == nil {
		h.settle = time.AfterFunc(quiet, h.giveUp)
	} else {
		h.settle.Reset(quiet)
	}
	h.garbage += int64(memory)
	switch {
	case memory > slot:
		h.giveUp()
	case h.garbage >= h.size*slot/2:
		h.collect()
	default:
		return
	}
	h.garbage = 0
}

// busy is the answer to a login whose turn does not come.
func busy(err error) error {
	return &idp.Error{
		Status: http.StatusServiceUnavailable,
		Public: "Too many people are signing in just now. Wait a few seconds, then try again.",
		Reason: "busy",
		Err:    err,
	}
}
