package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestBackup: a backup is taken by the command while people sign in and launch, and restored on an empty
// machine. The gateway there is the same to AWS and to everybody's authenticator app; nobody is signed in,
// and no code counts a second time.
func TestBackup(t *testing.T) {
	const busy = 8
	c := newCrowd(t, busy+2)
	c.Start()
	keeps, later := c.people[busy], c.people[busy+1]
	client := c.Client()
	client.SignIn(c.Caddy, keeps)
	before := c.Metadata()

	// The load: a crowd that launches until told to stop.
	seen := &tally{why: map[string]int{}}
	stop := make(chan struct{})
	var crowd sync.WaitGroup
	for i, who := range c.people[:busy] {
		p := c.newCaller(who, i%2 == 0, seen)
		crowd.Go(func() { p.work(stop) })
	}
	Await(t, "the crowd to work", func() error { return atLeast(seen.launches.Load(), busy) })
	file := filepath.Join(c.Dir, "gatehouse.backup")
	launched := seen.launches.Load()
	c.mustCommand("backup", file)
	during := seen.launches.Load() - launched
	Await(t, "the crowd to go on", func() error { return atLeast(seen.launches.Load(), launched+during+busy) })
	close(stop)
	crowd.Wait()
	for _, w := range seen.wrong {
		t.Error(w)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v", info.Mode())
	}
	t.Logf("backup of %d bytes; %d launches while it was written, %d in all", info.Size(), during, seen.launches.Load())

	// After the backup somebody else enrolls, and the code of the first one moves on.
	c.Client().SignIn(c.Caddy, later)
	again := c.Client()
	again.SignIn(c.Caddy, keeps)
	c.Stop()

	fresh := newCrowd(t, busy+2)
	fresh.Port = c.Port // the address is part of the metadata
	fresh.change(nil)
	out := fresh.mustCommand("restore", file)
	t.Log(strings.TrimSpace(out))
	// Twice is a mistake that must not cost the store.
	if out, err := fresh.Command("gatehouse", "restore", file, "--config", fresh.config()); err == nil || !strings.Contains(out, "--overwrite") {
		t.Errorf("restoring over a store: %v: %s", err, out)
	}
	fresh.Start()
	after := fresh.Metadata()
	if !bytes.Equal(before.XML, after.XML) {
		t.Errorf("other metadata than before:\n%s\n%s", before.XML, after.XML)
	}

	// The browser of before, on the new machine: its cookies are worth nothing.
	for name, old := range map[string]*Client{"session of before the backup": client, "session of after the backup": again} {
		moved := fresh.Client()
		moved.http.Jar = old.http.Jar
		if p := moved.Get(fresh.Portal("/")); p.Kind != "login" {
			t.Errorf("%s: %s", name, p)
		}
	}
	fresh.checkRestored(keeps)
	// Whoever enrolled after the backup is not in it, and enrolls again.
	unknown := fresh.Client()
	if _, way := unknown.SignIn(fresh.Caddy, later); strings.Join(way, " ") != "login password enroll device" {
		t.Errorf("somebody who enrolled after the backup: %v", way)
	}
	// The signature is of the same key as before.
	post, _ := unknown.Launch(unknown.Get(fresh.Portal("/")), "connect", later)
	response, err := post.SAMLResponse()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(response, before.Certificates[0]); err != nil {
		t.Error(err)
	}
}

// checkRestored signs somebody in whose factor came with the backup: the code of after the backup, of which
// the backup knows nothing, is refused all the same, and so is every one up to the restore; the next of the
// same app is taken.
func (c crowd) checkRestored(who *Person) {
	c.t.Helper()
	client := c.Client()
	p, way := client.Walk(client.Get(c.Portal("/")), who, "mfa")
	if strings.Join(way, " ") != "login password" {
		c.t.Errorf("the factor of before the backup: %v", way)
	}
	next, current := client.retype(p, who)
	if next.Kind != "mfa" {
		c.t.Fatalf("a code that was used before: %s", next)
	}
	c.t.Logf("a code used after the backup and before the restore was refused (still current: %v)", current)
	// The steps up to the restore count as used, whoever typed them.
	p = next
	for tries := 1; p.Kind == "mfa"; tries++ {
		if tries > 3 {
			c.t.Fatalf("no next code of the same app is taken: %s", p)
		}
		var err error
		if p, err = client.answer(p, who); err != nil {
			c.t.Fatal(err)
		}
	}
	client.Walk(p, who, "portal")
}
