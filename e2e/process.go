package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything real may take on a machine that is busy with other things.
const patience = 60 * time.Second

// Process is a server that a test started.
type Process struct {
	t    testing.TB
	cmd  *exec.Cmd
	log  *Log
	done chan struct{} // closed when the process has ended
	err  error         // why it ended, once done is closed
}

// Start runs a program until the test ends. What it prints goes to the log, which is shown if the test fails.
func Start(t testing.TB, log *Log, env []string, name string, args ...string) *Process {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	// A test binary that dies takes its servers along.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	p := &Process{t: t, cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.Stop)
	return p
}

// Stop ends the process as an operator would, and kills it where it does not go.
func (p *Process) Stop() {
	if p.ended() {
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("stopping %s: %v", p.cmd.Path, err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Errorf("%s did not stop within %s", p.cmd.Path, patience)
		p.Kill()
	}
}

// Kill ends the process at once, as a power cut would.
func (p *Process) Kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("killing %s: %v", p.cmd.Path, err)
	}
	<-p.done
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

func (p *Process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Await polls until ready says yes, and fails the test when the process ends before or patience is over.
func (p *Process) Await(what string, ready func() error) {
	p.t.Helper()
	Await(p.t, what, func() error {
		if p.ended() {
			p.t.Fatalf("%s ended (%v) before %s; it said:\n%s", p.cmd.Path, p.err, what, p.log.Tail(4000))
		}
		return ready()
	})
}

// Await polls until ready returns nil, and fails the test with its last error when patience is over.
func Await(t testing.TB, what string, ready func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		<-tick.C
	}
}

// Log keeps what a server prints.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// NewLog makes a log that is shown when the test fails.
func NewLog(t testing.TB, name string) *Log {
	l := &Log{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of %s's log:\n%s", name, l.Tail(6000))
		}
	})
	return l
}

// Write appends to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String is everything so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Tail is the last n bytes of what is not said for debugging.
func (l *Log) Tail(n int) string {
	var kept strings.Builder
	for line := range strings.Lines(l.String()) {
		if !strings.Contains(line, `"level":"debug"`) {
			kept.WriteString(line)
		}
	}
	s := kept.String()
	return s[max(0, len(s)-n):]
}

// Run runs a program to its end and returns what it printed. Anything but success fails the test.
func Run(t testing.TB, env []string, name string, args ...string) string {
	t.Helper()
	out, err := Try(env, name, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return out
}

// Try runs a program to its end, for at most [patience], and returns what it printed.
func Try(env []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// FreePort returns a port of the loopback interface that nobody listens on.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// ShortDir makes a directory whose path is short enough for a socket in it and that other users may enter,
// which t.TempDir is not: Apache and slapd give up root.
func ShortDir(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gh-"+name+"-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// WriteFile writes a file and the directories above it.
func WriteFile(t testing.TB, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// answers returns nil once somebody listens on the port.
func answers(port int) error {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}
