package awssignin

import (
	"crypto/rand"
	"sync"
	"time"
)

// Verdicts keeps verdicts in memory until they were shown or are old. Its zero value is not useful;
// see [NewVerdicts].
type Verdicts struct {
	mu    sync.Mutex
	byID  map[string]kept
	order []string // ids, oldest first
}

type kept struct {
	verdict Verdict
	until   time.Time
}

// Bounds of Verdicts: anybody may post, so that the oldest make way. A verdict is a few kilobytes.
const (
	verdictsMax  = 256
	verdictsLast = 10 * time.Minute
)

// NewVerdicts makes room for 256 verdicts of ten minutes each.
func NewVerdicts() *Verdicts { return &Verdicts{byID: map[string]kept{}} }

// put keeps a verdict under a fresh id of 130 random bits, which is all that guards it.
func (k *Verdicts) put(v Verdict, now time.Time) string {
	id := rand.Text()
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.order) > 0 && (len(k.order) >= verdictsMax || !now.Before(k.byID[k.order[0]].until)) {
		delete(k.byID, k.order[0])
		k.order = k.order[1:]
	}
	k.byID[id] = kept{v, now.Add(verdictsLast)}
	k.order = append(k.order, id)
	return id
}

// get returns a verdict for as long as it is kept: a page that is reloaded shows it again.
func (k *Verdicts) get(id string, now time.Time) (Verdict, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.byID[id]
	return v.verdict, ok && now.Before(v.until)
}
