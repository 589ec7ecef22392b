package store

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// cacheShards must divide 256: the first byte of an id, which is a hash, picks the shard.
const cacheShards = 16

// cache holds sessions that were read, as many as its bound, and throws out those that were not
// asked for lately (the clock algorithm). It only ever holds what a reader found in the database: a
// writer drops the entry after its commit, and a reader that began before the drop may not fill it.
// So no order of a read and a revocation leaves a revoked session behind.
type cache struct {
	shards [cacheShards]cacheShard
	intern interner
}

// cacheShard has one pointer per session for the collector to follow: the index has none.
type cacheShard struct {
	mu    sync.RWMutex
	index map[idp.Hash]int32
	slots []cacheSlot
	free  []int32
	hand  int
	bound int
	drops uint64 // rises with every drop
}

type cacheSlot struct {
	session *idp.Session // nil where free
	used    atomic.Bool
}

func newCache(bound int) *cache {
	c := &cache{}
	for i := range c.shards {
		c.shards[i].index = map[idp.Hash]int32{}
		c.shards[i].bound = max(1, bound/cacheShards)
	}
	return c
}

func (c *cache) shard(id idp.Hash) *cacheShard { return &c.shards[id[0]%cacheShards] }

// get returns the session or nil. drops is for fill.
func (c *cache) get(id idp.Hash) (s *idp.Session, drops uint64) {
	h := c.shard(id)
	h.mu.RLock()
	defer h.mu.RUnlock()
	i, ok := h.index[id]
	if !ok {
		return nil, h.drops
	}
	slot := &h.slots[i]
	if !slot.used.Load() { // most often it is set: leave the cache line alone
		slot.used.Store(true)
	}
	return slot.session, h.drops
}

// fill keeps what was read from the database, unless something was dropped since get.
func (c *cache) fill(s *idp.Session, drops uint64) {
	c.intern.session(s)
	h := c.shard(s.ID)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.drops != drops {
		return
	}
	if i, ok := h.index[s.ID]; ok {
		h.slots[i].session = s
		return
	}
	i := h.room()
	h.slots[i].session = s // not used yet: who is read once must not push out who is read again
	h.index[s.ID] = i
}

// room returns a slot to fill: a free one, a new one, or that of a session nobody asked for since
// the hand last passed.
func (h *cacheShard) room() int32 {
	if n := len(h.free); n > 0 {
		i := h.free[n-1]
		h.free = h.free[:n-1]
		return i
	}
	if n := len(h.slots); n < h.bound {
		h.slots = append(h.slots, cacheSlot{})
		return int32(n) //nolint:gosec // bound is an int of sessions in memory
	}
	for {
		i := h.hand
		h.hand = (h.hand + 1) % len(h.slots)
		if !h.slots[i].used.Swap(false) {
			delete(h.index, h.slots[i].session.ID)
			return int32(i) //nolint:gosec // as above
		}
	}
}

func (c *cache) drop(id idp.Hash) {
	h := c.shard(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drops++
	if i, ok := h.index[id]; ok {
		delete(h.index, id)
		h.slots[i].session = nil
		h.slots[i].used.Store(false)
		h.free = append(h.free, i)
	}
}

// dropAll forgets everything, after somebody else wrote to the database.
func (c *cache) dropAll() {
	for i := range c.shards {
		h := &c.shards[i]
		h.mu.Lock()
		h.drops++
		clear(h.index)
		h.slots, h.free, h.hand = nil, nil, 0
		h.mu.Unlock()
	}
}

// touch moves Seen of a cached session. Readers may hold the old value, so it is copied.
func (c *cache) touch(id idp.Hash, at time.Time) {
	h := c.shard(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	i, ok := h.index[id]
	if !ok || !h.slots[i].session.Seen.Before(at) {
		return
	}
	s := *h.slots[i].session
	s.Seen = at
	h.slots[i].session = &s
}

// interner makes sessions share what agents have in common: groups and browsers. At 100,000 sessions
// that is most of their memory.
type interner struct {
	mu      sync.Mutex
	strings map[string]string
	groups  map[string][]idp.Group
}

// internBound is at how many entries the interner starts anew.
const internBound = 1 << 14

func (n *interner) session(s *idp.Session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.strings == nil || len(n.strings) > internBound {
		n.strings = map[string]string{}
	}
	if n.groups == nil || len(n.groups) > internBound {
		n.groups = map[string][]idp.Group{}
	}
	n.text(&s.UserAgent)
	n.text(&s.User.Source)
	for i := range s.Proofs {
		n.text(&s.Proofs[i].Factor)
		n.text(&s.Proofs[i].ACR)
		n.text(&s.Proofs[i].Scope)
	}
	if len(s.User.Groups) == 0 {
		return
	}
	var key strings.Builder
	for _, g := range s.User.Groups {
		for _, name := range g.Names {
			// Quoted, so that no name can look like two.
			key.WriteString(strconv.Quote(name))
		}
		key.WriteByte('\n')
	}
	if have, ok := n.groups[key.String()]; ok {
		s.User.Groups = have
		return
	}
	n.groups[key.String()] = s.User.Groups
}

func (n *interner) text(s *string) {
	if have, ok := n.strings[*s]; ok {
		*s = have
		return
	}
	n.strings[*s] = *s
}
