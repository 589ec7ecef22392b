package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAWSSetup: what "caddy gatehouse aws" writes is taken by those who read it. CloudFormation is held
// against AWS's resource schemas, Terraform is formatted as its own formatter does, the script is one that a
// POSIX shell understands. Nothing is sent to AWS.
func TestAWSSetup(t *testing.T) {
	c := newCrowd(t, 1)
	c.Start()
	dir := filepath.Join(c.Dir, "setup")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	metadata := filepath.Join(dir, "gatehouse-metadata.xml")
	c.mustCommand("metadata", "--output", metadata)
	file := map[string]string{}
	for format, name := range map[string]string{"cloudformation": "connect.json", "terraform": "connect.tf", "cli": "connect.sh"} {
		file[format] = filepath.Join(dir, name)
		c.mustCommand("aws", "connect", "--format", format, "--output", file[format])
	}
	if written, err := os.ReadFile(metadata); err != nil || string(written) != string(c.Metadata().XML) {
		t.Errorf("the metadata that was written is not what the portal serves: %v", err)
	}
	t.Run("cloudformation", func(t *testing.T) { checkCloudFormation(t, file["cloudformation"]) })
	t.Run("terraform", func(t *testing.T) { checkTerraform(t, file["terraform"]) })
	t.Run("cli", func(t *testing.T) { checkScript(t, file["cli"]) })
}

// golden are the files of the other shapes: GovCloud, several roles, another region.
func golden(t *testing.T, ext string) []string {
	t.Helper()
	files, err := filepath.Glob("../idp/samlapp/testdata/setup-*" + ext)
	if err != nil || len(files) < 3 {
		t.Fatalf("golden files: %v, %v", files, err)
	}
	return files
}

// mutate writes a copy of a file with a mistake in it, which the check of the others must find.
func mutate(t *testing.T, file, old, mistake string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), old, mistake, 1)
	if changed == string(text) {
		t.Fatalf("%s has no %s", file, old)
	}
	return WriteFile(t, filepath.Join(t.TempDir(), "mistake-"+filepath.Base(file)), changed)
}

// checkCloudFormation runs AWS's own validator once for all, because it takes its time to start.
func checkCloudFormation(t *testing.T, file string) {
	files := append(golden(t, ".json"), file)
	mistakes := []string{
		mutate(t, file, `"RoleName"`, `"RolName"`),
		mutate(t, file, `"MaxSessionDuration": 3600`, `"MaxSessionDuration": 60`),
		mutate(t, file, `"SamlMetadataDocument": "`, `"SamlMetadataDocument": [], "x": "`),
	}
	out, err := Try(nil, nodeJS(t), append(append([]string{"../.ci/cfn/check.js"}, files...), mistakes...)...)
	t.Logf("%v\n%s", err, out)
	for _, f := range files {
		if !strings.Contains(out, f+": ") || strings.Contains(out, f+":1") || strings.Contains(out, f+":2") {
			t.Errorf("%s is not as AWS wants it", f)
		}
	}
	for _, f := range mistakes {
		if !strings.Contains(out, "FATAL") || strings.Count(out, f+":") < 2 {
			t.Errorf("the mistake in %s is not found: this test proves nothing", f)
		}
	}
}

// checkTerraform runs the formatter of "terraform fmt", with the version that the tools' go.mod pins.
func checkTerraform(t *testing.T, file string) {
	hclfmt := filepath.Join(t.TempDir(), "hclfmt")
	if out, err := Try([]string{"GOWORK=off", "GOFLAGS="}, "go", "build", "-C", "../.ci/tools", "-mod=readonly", "-o", hclfmt, "github.com/hashicorp/hcl/v2/cmd/hclfmt"); err != nil {
		t.Fatalf("building hclfmt: %v: %s", err, out)
	}
	for _, f := range append(golden(t, ".tf"), file) {
		if out, err := Try(nil, hclfmt, "-check", "-require-no-change", f); err != nil {
			t.Errorf("%s: %v\n%s", f, err, out)
		}
	}
	for _, mistake := range []string{mutate(t, file, "  name ", " name "), mutate(t, file, "{", "[")} {
		if _, err := Try(nil, hclfmt, "-check", "-require-no-change", mistake); err == nil {
			t.Errorf("the mistake in %s is not found: this test proves nothing", mistake)
		}
	}
}

// checkScript has a POSIX shell read it, and then run it with an aws that writes down what it is told.
func checkScript(t *testing.T, file string) {
	for _, f := range append(golden(t, ".sh"), file) {
		if out, err := Try(nil, "sh", "-n", f); err != nil {
			t.Errorf("%s: %v: %s", f, err, out)
		}
	}
	if _, err := Try(nil, "sh", "-n", mutate(t, file, "if [", "if if [")); err == nil {
		t.Error("sh reads a script with a mistake: this test proves nothing")
	}
	bin := t.TempDir()
	said := filepath.Join(bin, "said")
	aws := WriteFile(t, filepath.Join(bin, "aws"), "#!/bin/sh\ncase $1 in sts) echo \"${ACCOUNT:-123456789012}\";; *) for a; do printf '<%s>' \"$a\"; done >>"+said+"; echo >>"+said+";; esac\n")
	if err := os.Chmod(aws, 0o755); err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + bin + ":" + os.Getenv("PATH")
	if out, err := Try([]string{path, "ACCOUNT=210987654321"}, "sh", file); err == nil || !strings.Contains(out, "210987654321") {
		t.Errorf("credentials of another account: %v: %s", err, out)
	}
	if _, err := os.Stat(said); err == nil {
		t.Error("the script goes on with credentials of another account")
	}
	if out, err := Try([]string{path}, "sh", file); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	calls, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<iam><create-saml-provider>", "<iam><create-role>", "<iam><put-role-policy>", "<ConnectFederation>", "/user/${aws:userid}"} {
		if !strings.Contains(string(calls), want) {
			t.Errorf("the script does not say %s:\n%s", want, calls)
		}
	}
}
