package idp

import (
	"slices"
	"sync"
	"time"
)

// judgingTime is how long an answer is taken to be under judgement, where nobody said what came of it: its factor could not
// answer, or the store.
const judgingTime = time.Minute

// tries are answers of second factors that are looked at just now. With one wrong answer left in a day, many that are sent
// together must not all be looked at before the first of them is counted.
type tries struct {
	mu   sync.Mutex
	keys map[string]*tried
}

type tried struct {
	users int // that hold or await mu; guarded by that of tries
	mu    sync.Mutex
	since []time.Time // of those that are looked at
}

// begin lets an answer be looked at where it and the others that are, were they all wrong, would not be more than most.
// Else it says whether so many were wrong already. Counting and letting in are one step for a key.
func (t *tries) begin(key string, now time.Time, most int, wrong func() (int, error)) (may, spent bool, err error) {
	k := t.hold(key)
	defer t.release(key, k)
	n, err := wrong()
	if err != nil {
		return false, false, err
	}
	k.since = slices.DeleteFunc(k.since, func(at time.Time) bool { return now.Sub(at) > judgingTime })
	if n+len(k.since) >= most {
		return false, n >= most, nil
	}
	k.since = append(k.since, now)
	return true, false, nil
}

// end counts what came of an answer, which is looked at no more.
func (t *tries) end(key string, count func() error) error {
	k := t.hold(key)
	defer t.release(key, k)
	k.since = k.since[min(1, len(k.since)):]
	return count()
}

func (t *tries) hold(key string) *tried {
	t.mu.Lock()
	if t.keys == nil {
		t.keys = map[string]*tried{}
	}
	k := t.keys[key]
	if k == nil {
		k = &tried{}
		t.keys[key] = k
	}
	k.users++
	t.mu.Unlock()
	k.mu.Lock()
	return k
}

func (t *tries) release(key string, k *tried) {
	idle := len(k.since) == 0
	k.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if k.users--; k.users == 0 && idle {
		delete(t.keys, key)
	}
}
