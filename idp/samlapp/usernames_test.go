package samlapp

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func writeList(t *testing.T, path, text string, mod time.Time) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, mod, mod); err != nil {
		t.Fatal(err)
	}
}

func TestParseUsernames(t *testing.T) {
	want := []string{"jane@example.com", "Bob"}
	for name, text := range map[string]string{
		"aws connect list-users": `{"UserSummaryList": [
			{"Id": "1", "Arn": "arn:aws:connect:…", "Username": "jane@example.com", "LastModifiedRegion": "us-east-1"}, {"Id": "2", "Username": "Bob"}, {"Id": "3"}]}`,
		"page by page":     `{"UserSummaryList":[{"Username":"jane@example.com"}],"NextToken":"x"}` + "\n" + `{"UserSummaryList":[{"Username":"Bob"}]}`,
		"--query, json":    `["jane@example.com", "Bob"]`,
		"--query, text":    "jane@example.com\tBob\n",
		"lines":            "# Connect\r\njane@example.com\r\n\r\n  Bob # since May\r\n",
		"byte order mark":  "\xef\xbb\xbfjane@example.com\nBob",
		"BOM before JSON ": "\xef\xbb\xbf[\"jane@example.com\",\"Bob\"]",
	} {
		got, err := parseUsernames([]byte(text))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, text := range map[string]string{
		"empty": " \n", "only comments": "# a", "no users": `{"UserSummaryList":[]}`, "half a document": `{"UserSummaryList":[{"Username":"ja`,
		"an error": `{"message":"denied"}`, "the first page alone": `{"UserSummaryList":[{"Username":"zz"}],"NextToken":"abc"}`,
		"two pages of three":    `{"UserSummaryList":[{"Username":"a1"}],"NextToken":"x"} {"UserSummaryList":[{"Username":"b1"}],"NextToken":"y"}`,
		"an error after a page": `{"UserSummaryList":[{"Username":"a1"}],"NextToken":"x"} {"message":"Rate exceeded"}`,
		"PowerShell":            "\xff\xfej\x00a\x00", "numbers": "[1,2]",
	} {
		if got, err := parseUsernames([]byte(text)); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestUsernamesFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	c := connectIn("aws", "us-east-1")
	c.UsernamesFile = path
	a := connect(t, c)
	// launch signs in as the mail address and returns the session name and the notes.
	launch := func(mail string) (string, string, error) {
		u := testUser()
		u.Email = mail
		f, err := a.SignIn(context.Background(), u, testLaunch())
		if err != nil {
			return "", "", err
		}
		return f.Record.SessionName, strings.Join(f.Record.Notes, "; "), nil
	}
	expect := func(mail, name, note string) {
		t.Helper()
		got, notes, err := launch(mail)
		if err != nil || got != name || note == "" && notes != "" || !strings.Contains(notes, note) {
			t.Errorf("%s: %q, notes %q, %v", mail, got, notes, err)
		}
	}
	fresh, old := testNow.Add(-time.Hour), testNow.Add(-8*24*time.Hour)

	expect("jane@example.com", "jane@example.com", "could not be read") // there is no file yet
	writeList(t, path, "Jane@example.com\nbob@example.com\nBob@example.com\nTWIN@example.com\nTwin@example.com\n", fresh)
	expect("Jane@example.com", "Jane@example.com", "")
	expect("JANE@example.com", "Jane@example.com", "spelled as in usernames_file: Jane@example.com, not JANE@example.com")
	expect("bob@example.com", "bob@example.com", "") // the exact one is meant
	_, _, err := launch("twin@example.com")
	refused(t, err, "ambiguous_username")
	_, _, err = launch("new@example.com")
	if e := refusal(t, err, "not_onboarded"); !strings.HasPrefix(e.Public, "You are not set up in Amazon Connect yet.") || strings.Contains(e.Public, "new@") {
		t.Error(e.Public)
	}

	writeList(t, path, "Jane@example.com\nnew@example.com\n", fresh.Add(time.Minute))
	expect("new@example.com", "new@example.com", "") // read again, as it changed

	writeList(t, path, `{"UserSummaryList": [{"User`, fresh.Add(2*time.Minute))
	expect("jane@example.com", "Jane@example.com", "could not be read") // the last good one still counts
	expect("other@example.com", "other@example.com", "not in usernames_file")
	writeList(t, path, `{"UserSummaryList":[{"Username":"zz"}],"NextToken":"abc"}`, fresh.Add(3*time.Minute))
	expect("other@example.com", "other@example.com", "the list goes on")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expect("jane@example.com", "Jane@example.com", "could not be read")

	writeList(t, path, "Jane@example.com\ntwin@example.com\nTWIN@example.com", old)
	expect("jane@example.com", "Jane@example.com", "older than 7 days")
	expect("other@example.com", "other@example.com", "not in usernames_file")
	_, _, err = launch("Twin@example.com")
	refused(t, err, "ambiguous_username")
}

func TestUsernamesCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	c := connectIn("aws", "us-east-1")
	c.UsernamesFile = path
	rules := func() string {
		f := findings{}
		connect(t, c).checkUsernames(&f, testNow)
		var out []string
		for _, x := range f.list {
			out = append(out, x.Level+" "+x.What)
		}
		return strings.Join(out, "\n")
	}
	writeList(t, path, "a1 b1", testNow)
	if got := rules(); got != "ok usernames_file holds 2 names" {
		t.Error(got)
	}
	writeList(t, path, `{"UserSummaryList":[{"Username":"zz"}],"NextToken":"abc"}`, testNow)
	if got := rules(); !strings.HasPrefix(got, "error usernames_file: "+path+": the list goes on") || !strings.Contains(got, "without --max-items") {
		t.Error(got)
	}
	writeList(t, path, "aa AA bb+x cc=1 dd,1 ee+1 ff+1 gg+1", testNow.Add(-8*24*time.Hour))
	want := "warning usernames_file is of 2026-09-27, older than 7 days\n" +
		"warning user names in Connect that differ in case only: aa and AA\n" +
		"warning user names in Connect that no SAML sign-in can have: bb+x, cc=1, dd,1, ee+1, ff+1 and 1 more"
	if got := rules(); got != want {
		t.Error(got)
	}
}
