package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tick is the unit of processor time in /proc: USER_HZ is 100 wherever Linux runs Go.
const tick = 10 * time.Millisecond

// processorTime is what a process has used so far, user and system together (proc(5), stat).
func processorTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	// The name, in brackets, may hold anything; utime and stime are fields 14 and 15.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var sum int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += n
	}
	return time.Duration(sum) * tick
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
