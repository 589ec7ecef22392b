package caddymodule

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// block walks the options of one Caddyfile block. It answers for options that are unknown, written
// twice or malformed, so that every parser of this package says the same things with file and line.
//
//	b := newBlock(d, "portal", "title", "logo")
//	for b.next() {
//		switch b.option {
//		case "title":
//			b.text(&p.Title, "TEXT")
//		}
//	}
//	return b.err
type block struct {
	d       *caddyfile.Dispenser
	where   string   // "portal", "application connect"
	takes   []string // options of the block
	also    []string // options that the host has taken out already, for the message
	repeats []string // options that may be written more than once
	seen    map[string]bool
	nesting int

	option string // the option at hand
	err    error  // the first mistake; next returns false after it
}

// newBlock walks the block that begins after the tokens consumed so far.
func newBlock(d *caddyfile.Dispenser, where string, takes ...string) *block {
	return &block{d: d, where: where, takes: takes, seen: map[string]bool{}, nesting: d.Nesting()}
}

// inner walks the block that the option at hand opens; leave ends it. An option may not follow on the same line.
func (b *block) inner(option string, takes ...string) *block {
	b.args(0, 0, "{ … }")
	in := newBlock(b.d, option+" in "+b.where, takes...)
	in.err = b.err
	return in
}

// leave takes over what the inner block found. written says whether there was anything in it.
func (b *block) leave(in *block, written bool) {
	b.err = in.err
	if !written {
		b.fail("%s is empty; it takes: %s", in.where, strings.Join(in.takes, ", "))
	}
}

// repeatable names the options that may be written more than once.
func (b *block) repeatable(options ...string) *block {
	b.repeats = options
	return b
}

// beside names options that the host of a guest takes out of the block before the guest sees it; the
// message about an unknown option lists them too.
func (b *block) beside(options []string) *block {
	b.also = options
	return b
}

// next moves to the next option.
func (b *block) next() bool {
	if b.err != nil || !b.d.NextBlock(b.nesting) {
		return false
	}
	b.option = b.d.Val()
	if !b.mine() {
		b.fail("unknown option %q in %s; it takes: %s", b.option, b.where,
			strings.Join(slices.Concat(b.takes, b.also), ", "))
	}
	return b.err == nil
}

// mine reports whether the option at hand is one of the block's, and fails when it is there again.
func (b *block) mine() bool {
	if !slices.Contains(b.takes, b.option) {
		return false
	}
	if b.seen[b.option] && !slices.Contains(b.repeats, b.option) {
		b.fail("%s is written twice in %s", b.option, b.where)
	}
	b.seen[b.option] = true
	return true
}

// fail keeps the first mistake, with file and line of the token at hand.
func (b *block) fail(format string, args ...any) {
	if b.err == nil {
		b.err = b.d.Errf(format, args...)
	}
}

// take keeps a mistake that says where it is.
func (b *block) take(err error) {
	if b.err == nil {
		b.err = err
	}
}

// need fails unless each of the options was written.
func (b *block) need(options ...string) {
	for _, o := range options {
		if !b.seen[o] {
			b.fail("%s needs the option %s", b.where, o)
		}
	}
}

// args reads what follows the option on its line. Fewer than least or more than most is a mistake;
// most < 0 sets no bound. usage is shown: "TEXT [URL]".
func (b *block) args(least, most int, usage string) []string {
	args := b.d.RemainingArgs()
	if len(args) < least || (most >= 0 && len(args) > most) {
		b.fail("%s in %s takes: %s", b.option, b.where, strings.TrimSpace(b.option+" "+usage))
		return nil
	}
	if slices.Contains(args, "") {
		b.fail("%s in %s is empty; it takes: %s", b.option, b.where, strings.TrimSpace(b.option+" "+usage))
		return nil
	}
	return args
}

// leaf is args for an option that opens no block of its own.
func (b *block) leaf(least, most int, usage string) []string {
	args := b.args(least, most, usage)
	if b.err == nil && b.d.NextBlock(b.d.Nesting()) {
		b.fail("%s in %s takes no block; it takes: %s", b.option, b.where, strings.TrimSpace(b.option+" "+usage))
		return nil
	}
	return args
}

// text reads exactly one argument.
func (b *block) text(to *string, usage string) {
	if a := b.leaf(1, 1, usage); len(a) == 1 {
		*to = a[0]
	}
}

// once is text for an option that may be written in one of several blocks.
func (b *block) once(to *string, usage string) {
	if *to != "" {
		b.fail("%s is written twice", b.option)
		return
	}
	b.text(to, usage)
}

// list reads one argument or more.
func (b *block) list(to *[]string, usage string) {
	*to = append(*to, b.leaf(1, -1, usage)...)
}

// duration reads one positive duration; Caddy's form knows days.
func (b *block) duration(to *caddy.Duration) {
	a := b.leaf(1, 1, "DURATION")
	if len(a) != 1 {
		return
	}
	d, ok := b.parseDuration(a[0])
	if ok {
		*to = d
	}
}

// atLeast is duration for what is of no use below a time.
func (b *block) atLeast(to *caddy.Duration, least time.Duration) {
	b.duration(to)
	if b.err == nil && time.Duration(*to) < least {
		b.fail("%s in %s: %s is too short; it takes %s or more", b.option, b.where, time.Duration(*to), least)
	}
}

func (b *block) parseDuration(s string) (caddy.Duration, bool) {
	d, err := caddy.ParseDuration(s)
	if err != nil || d <= 0 || d > 100*365*24*time.Hour {
		b.fail("%s in %s: %q is no duration; write it as 90s, 15m, 12h or 7d", b.option, b.where, s)
		return 0, false
	}
	return caddy.Duration(d), true
}

// number reads one whole number from 1 to most.
func (b *block) number(to *int, most int) {
	a := b.leaf(1, 1, "NUMBER")
	if len(a) != 1 {
		return
	}
	n, err := strconv.Atoi(a[0])
	if err != nil || n < 1 || n > most {
		b.fail("%s in %s: %q is no number from 1 to %d", b.option, b.where, a[0], most)
		return
	}
	*to = n
}

// word reads one argument out of a list of words.
func (b *block) word(to *string, words ...string) {
	a := b.leaf(1, 1, strings.Join(words, "|"))
	if len(a) != 1 {
		return
	}
	if !slices.Contains(words, a[0]) {
		b.fail("%s in %s: %q is unknown; it takes: %s", b.option, b.where, a[0], strings.Join(words, ", "))
		return
	}
	*to = a[0]
}

// onOff reads on or off.
func (b *block) onOff(to **bool) {
	var w string
	b.word(&w, "on", "off")
	if w != "" {
		on := w == "on"
		*to = &on
	}
}

// checkName makes sure that a name given in the configuration can stand in addresses, in "source/group" and
// in a metric's label.
func checkName(d *caddyfile.Dispenser, what, name string) error {
	if !validName(name) {
		return d.Errf("%s %q: a name is lower-case letters, digits, - and _, at most 64", what, name)
	}
	return nil
}

func validName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// webAddress refuses what a page must not link to, javascript: above all.
func (b *block) webAddress(s string) {
	if err := checkWebAddress(s); err != nil {
		b.fail("%s in %s: %w", b.option, b.where, err)
	}
}

func checkWebAddress(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return fmt.Errorf("%q is no web address; it begins with https://", s)
	}
	return nil
}
