package caddymodule

import (
	"fmt"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/local"
)

func init() {
	caddy.RegisterModule(new(LocalSource))
}

// LocalSource is users in the configuration: for trying things out, for a handful of people, and as
// break-glass accounts for the day on which the directory is down.
type LocalSource struct {
	// Users are the people. At least one.
	Users []LocalUser `json:"users,omitempty"`
}

// LocalUser is one person of a local source.
type LocalUser struct {
	// Name signs in, in any case. Its lower case is what the person's enrollments are kept under.
	Name string `json:"name"`
	// Hash is what `caddy hash-password --algorithm argon2id` prints, or a placeholder that gives it:
	// {file./path} or {env.NAME}.
	Hash string `json:"hash"`
	// Email is sent to applications, case kept, and signs in as well.
	Email string `json:"email,omitempty"`
	// FirstName of the person.
	FirstName string `json:"first_name,omitempty"`
	// LastName of the person.
	LastName string `json:"last_name,omitempty"`
	// DisplayName is what pages call the person. Default: the mail address, else the name.
	DisplayName string `json:"display_name,omitempty"`
	// Groups of this source that the person is in, by name alone.
	Groups []string `json:"groups,omitempty"`
}

// DemoHash is the argon2id hash of the password in Caddyfile.example. Everybody knows the password,
// so the hash is refused where the portal is not on localhost.
const DemoHash = "$argon2id$v=19$m=47104,t=1,p=1$obbLcJtCGoegwo5c04h14A$bkqYhaeiYeLl2UaMesU+A18rIS84iUBx5AShC6JnNLM"

// CaddyModule returns the Caddy module information.
func (*LocalSource) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  SourceNamespace + ".local",
		New: func() caddy.Module { return new(LocalSource) },
	}
}

// hasher is one for the process, so that the bound on hashing holds over reloads and sources.
var hasher = sync.OnceValue(func() *local.Hasher { return local.NewHasher(local.Bounds{}) })

// Source implements [SourceModule].
func (l *LocalSource) Source(name string, env *Env) (idp.Source, error) {
	users := make([]local.User, len(l.Users))
	for i, u := range l.Users {
		hash := u.Hash
		if strings.HasPrefix(hash, "{") {
			secret, err := resolveSecret("the hash of user "+u.Name, hash)
			if err != nil {
				return nil, err
			}
			hash = secret.Reveal()
		}
		if hash == DemoHash && !env.onLoopback() {
			return nil, fmt.Errorf("user %s has the demo password, which everybody knows; it is for localhost only: run %s", u.Name, hashCommand)
		}
		users[i] = u.user(hash)
	}
	return local.New(local.Config{Name: name, Users: users, Hasher: hasher()})
}

const hashCommand = "`caddy hash-password --algorithm argon2id`"

func (u LocalUser) user(hash string) local.User {
	return local.User{
		Name: u.Name, Hash: hash, Email: u.Email, FirstName: u.FirstName,
		LastName: u.LastName, DisplayName: u.DisplayName, Groups: u.Groups,
	}
}

// probe refuses what a source would not be built with. A hash that is elsewhere is read later.
func (u LocalUser) probe() error {
	hash := u.Hash
	if strings.HasPrefix(hash, "{") {
		hash = DemoHash
	}
	_, err := local.New(local.Config{Name: "local", Users: []local.User{u.user(hash)}, Hasher: hasher()})
	return err
}

// ListGroups implements [GroupLister].
func (l *LocalSource) ListGroups() []string {
	var names []string
	for _, u := range l.Users {
		names = append(names, u.Groups...)
	}
	return names
}

// UnmarshalCaddyfile reads
//
//	local {
//		user <name> <argon2id hash or {file.…}> {
//			email <address>
//			first_name <text>
//			last_name <text>
//			display_name <text>
//			groups <name...>
//		}
//	}
func (l *LocalSource) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind
	if d.NextArg() {
		return d.Errf("a local source takes a block with: user")
	}
	b := newBlock(d, "a local source", "user").repeatable("user").beside(sourceOptions)
	for b.next() {
		if err := l.parseUser(d); err != nil {
			return err
		}
	}
	b.need("user")
	return b.err
}

func (l *LocalSource) parseUser(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 2 {
		return d.Errf("user takes: user NAME HASH { … }; %s makes the hash", hashCommand)
	}
	u := LocalUser{Name: args[0], Hash: args[1]}
	for _, other := range l.Users {
		if strings.EqualFold(other.Name, u.Name) {
			return d.Errf("user %s is written twice", u.Name)
		}
	}
	switch {
	case strings.HasPrefix(u.Hash, "{"):
		if err := checkSecretForm("the hash of user "+u.Name, u.Hash); err != nil {
			return d.WrapErr(err)
		}
	case !strings.HasPrefix(u.Hash, "$argon2id$"):
		// Perhaps a password in clear text: it must not appear in the error either.
		return d.Errf("user %s: this is no argon2id hash; run %s and write here what it prints", u.Name, hashCommand)
	}
	if err := u.probe(); err != nil {
		return d.WrapErr(err)
	}
	b := newBlock(d, "user "+u.Name, "email", "first_name", "last_name", "display_name", "groups")
	for b.next() {
		switch b.option {
		case "email":
			b.text(&u.Email, "ADDRESS")
		case "first_name":
			b.text(&u.FirstName, "TEXT")
		case "last_name":
			b.text(&u.LastName, "TEXT")
		case "display_name":
			b.text(&u.DisplayName, "TEXT")
		case "groups":
			b.list(&u.Groups, "NAME…")
		}
		if err := u.probe(); b.err == nil && err != nil {
			b.fail("%w", err)
		}
	}
	l.Users = append(l.Users, u)
	return b.err
}

var (
	_ SourceModule          = (*LocalSource)(nil)
	_ GroupLister           = (*LocalSource)(nil)
	_ caddyfile.Unmarshaler = (*LocalSource)(nil)
)
