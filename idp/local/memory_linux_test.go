package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// memoryChild makes the test binary the process whose memory is measured.
const memoryChild = "GATEHOUSE_TEST_HASH_MEMORY"

func TestMain(m *testing.M) {
	if cost := os.Getenv(memoryChild); cost != "" {
		if err := measureLogins(cost); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestMemoryOfSixteenLogins holds the promise that 16 people who sign in at once cost the machine no
// more than 2 × cores × 64 MiB. It measures a process of its own: the peak that the kernel has seen,
// and the most that Go's runtime held, which is all that can be judged under the race detector.
func TestMemoryOfSixteenLogins(t *testing.T) {
	for _, cost := range []string{"m=47104,t=1,p=1", "m=65536,t=3,p=4", "m=65536,t=1,p=1", "m=131072,t=1,p=1"} {
		t.Run(cost, func(t *testing.T) {
			child := exec.CommandContext(t.Context(), os.Args[0])
			child.Env = append(os.Environ(), memoryChild+"="+cost)
			child.Stderr = os.Stderr
			out, err := child.Output()
			if err != nil {
				t.Fatal(err)
			}
			var idle, peak, after, idleHeld, held, cores int64
			if _, err := fmt.Sscan(string(out), &idle, &peak, &after, &idleHeld, &held, &cores); err != nil {
				t.Fatalf("reading %q: %v", out, err)
			}
			most := idle + 2*cores*slot
			t.Logf("idle %d MiB, peak %d MiB, allowed %d MiB, at the end %d MiB; of that Go idle %d MiB, peak %d MiB",
				idle>>10, peak>>10, most>>10, after>>10, idleHeld>>10, held>>10)
			if held > idleHeld+2*cores*slot {
				t.Errorf("Go held %d KiB, idle %d KiB", held, idleHeld)
			}
			if peak > most && !raceDetector {
				t.Errorf("peak %d KiB, idle %d KiB, allowed %d KiB", peak, idle, most)
			}
		})
	}
}

// measureLogins signs 16 people in at once and prints KiB: resident before, the most
// resident, resident at the end, held by Go before, the most held by Go; and the number of cores.
func measureLogins(cost string) error {
	p, err := parseCost(cost)
	if err != nil {
		return err
	}
	p.salt, p.key = 16, 32
	h := NewHasher(Bounds{Wait: time.Hour}) // however slow the machine
	var held atomic.Int64
	h.derive = func(password, salt []byte, p params) []byte {
		key := argon2id(password, salt, p)
		now := heldByGo()
		for old := held.Load(); now > old && !held.CompareAndSwap(old, now); old = held.Load() {
		}
		return key
	}
	s, err := New(Config{Name: "local", Hasher: h, Users: []User{{
		Name: "ann", Hash: hashOf("correct horse", p),
	}}})
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // what making the hash above left behind
	// The kernel's peak begins anew when "5" is written here (proc(5), clear_refs).
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return err
	}
	idle, err := memoryStatus("VmRSS:")
	if err != nil {
		return err
	}
	idleHeld := heldByGo()
	errs := make(chan error, 16)
	var wg sync.WaitGroup
	for range cap(errs) {
		wg.Go(func() { errs <- signIn(s) })
	}
	wg.Wait()
	for range cap(errs) {
		if err := <-errs; err != nil {
			return err
		}
	}
	peak, err := memoryStatus("VmHWM:")
	if err != nil {
		return err
	}
	after, err := memoryStatus("VmRSS:")
	if err != nil {
		return err
	}
	fmt.Println(idle, peak, after, idleHeld, held.Load(), runtime.GOMAXPROCS(0))
	return nil
}

func signIn(s *Source) error {
	ctx := context.Background()
	u, err := s.Find(ctx, "ann")
	if err != nil {
		return err
	}
	return s.Authenticate(ctx, u, "correct horse")
}

// heldByGo returns how much memory Go's runtime has from the system, in KiB.
func heldByGo() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64()-s[1].Value.Uint64()) >> 10
}

// memoryStatus reads a line of /proc/self/status, in KiB.
func memoryStatus(field string) (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == field {
			return strconv.ParseInt(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("no %s in /proc/self/status", field)
}
