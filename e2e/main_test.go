package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMain finds the binary under test in GATEHOUSE_CADDY, or builds it as an admin would.
func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) (status int) {
	defer func() {
		if err := RemoveDomain(); err != nil {
			fmt.Fprintln(os.Stderr, "removing the domain:", err)
			status = 1
		}
	}()
	if binary = os.Getenv("GATEHOUSE_CADDY"); binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "gh-binary-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "caddy")
	build := exec.Command("../xcaddy.sh", binary)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the binary under test:", err)
		return 1
	}
	return m.Run()
}
