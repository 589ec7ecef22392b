package samlapp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const (
	// usernamesAge is how old a list may be before people missing from it get the benefit of the doubt.
	usernamesAge = 7 * 24 * time.Hour
	// maxUsernames bounds the file: Connect's quota is 500 users unless raised, an entry has some 400 bytes.
	maxUsernames = 64 << 20
)

// usernames is the list of Connect's users, read again when its file changes. A list that is missing, broken,
// empty (a redirection that failed half-way) or without its last page does not replace a good one, and never locks
// everybody out: AWS knows its users itself, the list only says sooner what AWS would say.
type usernames struct {
	path string

	mu    sync.Mutex
	mod   time.Time
	size  int64
	names map[string][]string // lower case → as Connect spells them
	err   error               // of the last reading
}

// look returns the list as of now. Names is nil when there never was a good one.
func (l *usernames) look() (names map[string][]string, mod time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	info, err := os.Stat(l.path)
	if err != nil {
		return l.names, l.mod, fmt.Errorf("usernames_file: %w", err)
	}
	if info.ModTime().Equal(l.mod) && info.Size() == l.size {
		return l.names, l.mod, l.err
	}
	read, err := readUsernames(l.path)
	l.mod, l.size, l.err = info.ModTime(), info.Size(), err
	if err == nil {
		l.names = read
	}
	return l.names, l.mod, l.err
}

func readUsernames(path string) (map[string][]string, error) {
	f, err := os.Open(path) //nolint:gosec // G304: a file that the configuration names
	if err != nil {
		return nil, fmt.Errorf("usernames_file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxUsernames+1))
	if err != nil {
		return nil, fmt.Errorf("usernames_file: reading %s: %w", path, err)
	}
	if len(b) > maxUsernames {
		return nil, fmt.Errorf("usernames_file: %s is larger than %d MiB", path, maxUsernames>>20)
	}
	list, err := parseUsernames(b)
	if err != nil {
		return nil, fmt.Errorf("usernames_file: %s: %w", path, err)
	}
	names := make(map[string][]string, len(list))
	for _, n := range list {
		key := strings.ToLower(n)
		if !slices.Contains(names[key], n) {
			names[key] = append(names[key], n)
		}
	}
	return names, nil
}

// parseUsernames reads what `aws connect list-users` prints (one document or, page by page, several),
// a JSON list of names, or names one to a line with # before comments.
func parseUsernames(b []byte) ([]string, error) {
	b = bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
	switch {
	case !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0:
		return nil, errors.New("not UTF-8; in PowerShell, write it by Out-File -Encoding utf8")
	case len(b) == 0:
		return nil, errors.New("the list is empty")
	}
	var names []string
	var err error
	switch b[0] {
	case '{':
		names, err = parseUserSummaries(b)
	case '[':
		if err = json.Unmarshal(b, &names); err != nil {
			err = fmt.Errorf("reading JSON: %w", err)
		}
	default:
		for line := range strings.Lines(string(b)) {
			line, _, _ = strings.Cut(line, "#")
			names = append(names, strings.Fields(line)...)
		}
	}
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("the list is empty")
	}
	return names, nil
}

// errListGoesOn says that the names end before the list does. Who is on a later page is not to be taken for nobody.
var errListGoesOn = errors.New("the list goes on after its last page (NextToken); write it by aws connect list-users " +
	"without --max-items and --no-paginate, or append the pages that follow")

// parseUserSummaries reads pages up to the last one, which has no NextToken.
func parseUserSummaries(b []byte) ([]string, error) {
	var names []string
	next := ""
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		var page struct {
			UserSummaryList []struct{ Username string }
			NextToken       string
		}
		switch err := d.Decode(&page); {
		case errors.Is(err, io.EOF) && next != "":
			return nil, errListGoesOn
		case errors.Is(err, io.EOF):
			return names, nil
		case err != nil:
			return nil, fmt.Errorf("reading JSON: %w", err)
		}
		if page.UserSummaryList != nil { // an error of AWS between the pages ends nothing
			next = page.NextToken
		}
		for _, u := range page.UserSummaryList {
			if u.Username != "" {
				names = append(names, u.Username)
			}
		}
	}
}

// spelled returns the session name as Connect spells it, with notes for the audit line.
func (l *usernames) spelled(name string, now time.Time) (string, []string, error) {
	if l == nil {
		return name, nil, nil
	}
	names, mod, err := l.look()
	var notes []string
	if err != nil {
		notes = append(notes, "usernames_file could not be read: "+err.Error())
	}
	if names == nil {
		return name, notes, nil
	}
	old := now.Sub(mod) > usernamesAge
	if old {
		notes = append(notes, "usernames_file is older than 7 days: "+mod.UTC().Format(time.DateOnly))
	}
	found := names[strings.ToLower(name)]
	switch {
	case slices.Contains(found, name):
		return name, notes, nil
	case len(found) == 1:
		return found[0], append(notes, respelled(found[0], name)), nil
	case len(found) > 1:
		return "", nil, notSetUp(ambiguousUsername,
			fmt.Errorf("usernames_file holds %d names that differ from %q in case only", len(found), name))
	case old || err != nil:
		return name, append(notes, "not in usernames_file"), nil //nolint:nilerr // the note tells; a broken list locks nobody out
	}
	return "", nil, notSetUp("not_onboarded", fmt.Errorf("%q is not in usernames_file", name))
}

// ambiguousUsername is the reason of a refusal where names of the list differ in case only.
const ambiguousUsername = "ambiguous_username"

// respelled is the note on a name that the list spells otherwise.
func respelled(listed, name string) string {
	return fmt.Sprintf("session name spelled as in usernames_file: %s, not %s", listed, name)
}

func notSetUp(reason string, err error) error {
	return &idp.Error{
		Status: http.StatusForbidden,
		Public: "You are not set up in Amazon Connect yet. Ask the service desk and give them the reference number on this page.",
		Reason: reason, Err: err,
	}
}
