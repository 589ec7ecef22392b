package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// processorTime is what a process has used so far, user and system together, to the nanosecond: the
// processor clock of another process (clock_getcpuclockid(3)). The ticks of /proc/PID/stat are too coarse,
// a tenth of a block of launches.
func processorTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	const ofProcess = 2 // CPUCLOCK_SCHED of a whole process, as the kernel encodes a clock id
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|ofProcess), &t); err != nil {
		b.Fatalf("reading the processor clock of process %d: %v", pid, err)
	}
	return time.Duration(t.Nano())
}

// memory reads a line of /proc/PID/status, in bytes: "VmRSS" is resident now, "VmHWM" the most so far,
// "RssAnon" the part that no file backs.
func memory(b *testing.B, pid int, field string) int64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == field+":" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n << 10
		}
	}
	b.Fatalf("no %s of process %d", field, pid)
	return 0
}

// forgetPeak makes VmHWM begin anew (proc(5), clear_refs).
func forgetPeak(b *testing.B, pid int) {
	b.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
}

// settled waits until the resident memory of the processes has not moved by more than 1 % for a
// second, at most ten, and returns it.
func settled(b *testing.B, pids ...int) []int64 {
	b.Helper()
	every := time.NewTicker(250 * time.Millisecond)
	defer every.Stop()
	was, quiet := make([]int64, len(pids)), 0
	for range 40 {
		moved := false
		for i, pid := range pids {
			now := memory(b, pid, "VmRSS")
			if d := now - was[i]; d > was[i]/100 || -d > was[i]/100 {
				was[i], moved = now, true
			}
		}
		if quiet++; moved {
			quiet = 0
		}
		if quiet >= 4 {
			break
		}
		<-every.C
	}
	return was
}
