package caddymodule

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeGo stands in for Go where xcaddy.sh builds xcaddy. That one then notes what it was told, and "builds" a program that
// prints a version or fails.
const fakeGo = `#!/bin/sh
case $1 in
env) echo go9.9.9 ;;
build) while [ "$1" != -o ]; do shift; done
	cat >"$2" <<'END'
#!/bin/sh
env | grep ^XCADDY_ >"$NOTED"
while [ "$1" != --output ]; do shift; done
printf '#!/bin/sh\n%s\n' "$PROGRAM" >"$2" && chmod +x "$2"
END
	chmod +x "$2" ;;
esac
`

// TestXcaddyScript runs the script with the settings of somebody who builds with xcaddy otherwise too.
func TestXcaddyScript(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(fakeGo), 0o755); err != nil {
		t.Fatal(err)
	}
	noted, output := filepath.Join(dir, "noted"), filepath.Join(dir, "caddy")
	build := func(program string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "../xcaddy.sh", output)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "VERSION=v1", "NOTED="+noted, "PROGRAM="+program,
			"XCADDY_DEBUG=1", "XCADDY_SKIP_BUILD=1", "XCADDY_GO_BUILD_FLAGS=-race", "XCADDY_SETCAP=1")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := build("echo v1"); err != nil || !strings.Contains(out, "built "+output+", v1") {
		t.Fatalf("%v\n%s", err, out)
	}
	told, err := os.ReadFile(noted)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Fields(string(told)); !strings.HasPrefix(lines[0], "XCADDY_GO_BUILD_FLAGS=-trimpath") || strings.Count(string(told), "XCADDY_") != 1 {
		t.Errorf("of the caller's environment this came through:\n%s", told)
	}
	if out, err := build("exit 3"); err == nil || strings.Contains(out, "built") {
		t.Errorf("a program that does not run was built: %v\n%s", err, out)
	}
}
