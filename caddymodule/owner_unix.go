//go:build unix

package caddymodule

import (
	"fmt"
	"os"
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// checkOwner refuses to open a database that belongs to somebody else than the process: root may, and what SQLite and the
// store then make beside it would be root's, where the gateway has to write. It says how the command is run as the owner.
func checkOwner(info os.FileInfo, path string, self int, command []string) error {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(s.Uid) == self {
		return nil
	}
	id := strconv.Itoa(int(s.Uid))
	name, who := "the user "+id, "#"+id
	if u, err := user.LookupId(id); err == nil {
		name, who = u.Username, u.Username
	}
	words := make([]string, len(command))
	for i, w := range command {
		words[i] = quoted(w)
	}
	return fmt.Errorf("%s belongs to %s, and this does not run as that: sudo -H -u %s %s", path, name, quoted(who), strings.Join(words, " "))
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// quoted is a word as a shell takes it for one.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
