package bench

import (
	"fmt"
	"os"
	"testing"

	"github.com/gatehouse-sso/gatehouse/e2e"
)

// role makes this test binary another process: a server to measure against.
const role = "GATEHOUSE_BENCH_ROLE"

// TestMain finds the binaries: GATEHOUSE_CADDY has the gateway in it, GATEHOUSE_STOCK_CADDY is Caddy as its
// authors publish it.
func TestMain(m *testing.M) {
	switch r := os.Getenv(role); r {
	case "":
		e2e.UseBinary(os.Getenv("GATEHOUSE_CADDY"))
		status := m.Run()
		if err := e2e.RemoveDomain(); err != nil {
			fmt.Fprintln(os.Stderr, "removing the domain:", err)
			status = 1
		}
		os.Exit(status)
	case "signer":
		fmt.Fprintln(os.Stderr, serveSigner(os.Getenv("GATEHOUSE_BENCH_DIR")))
		os.Exit(1)
	default:
		fmt.Fprintf(os.Stderr, "no role %q\n", r)
		os.Exit(2)
	}
}

// needs returns the program that a variable names.
func needs(b *testing.B, variable string) string {
	b.Helper()
	path := os.Getenv(variable)
	if _, err := os.Stat(path); err != nil {
		b.Fatalf("%s names no program (make bench sets it): %v", variable, err)
	}
	return path
}
