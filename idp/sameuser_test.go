package idp

import (
	"reflect"
	"testing"
	"time"
)

// filled is a user of whom everything is known.
func filled() *User {
	return &User{
		Source: "corp", ID: "1", Name: "alice", DN: "CN=alice", Email: "a@b", FirstName: "A", LastName: "B", DisplayName: "A B",
		Groups:     []Group{{Names: []string{"x", "CN=x"}}},
		Attributes: map[string][]string{"k": {"v"}},
		BreakGlass: true, PasswordExpires: time.Unix(1, 0), Failures: 1,
	}
}

// A session is written down anew where anything that it keeps has changed, and else not.
func TestSameUserLooksAtEverything(t *testing.T) {
	ofTheSignIn := map[string]bool{"BreakGlass": true, "Failures": true}
	for i := range reflect.TypeFor[User]().NumField() {
		name := reflect.TypeFor[User]().Field(i).Name
		was, now := filled(), filled()
		f := reflect.ValueOf(now).Elem().Field(i)
		if f.IsZero() {
			t.Errorf("the test fills no %s", name)
		}
		f.SetZero()
		if got := sameUser(was, now); got != ofTheSignIn[name] {
			t.Errorf("without %s it is the same user: %v", name, got)
		}
	}
	was, now := filled(), filled()
	now.PasswordExpires = now.PasswordExpires.UTC()
	if !sameUser(was, now) {
		t.Error("a time of another zone is another time")
	}
	now.Groups[0].Names[1] = "CN=y"
	if sameUser(was, now) {
		t.Error("the name of a group is not looked at")
	}
	now = filled()
	now.Attributes["k"][0] = "w"
	if sameUser(was, now) {
		t.Error("the value of an attribute is not looked at")
	}
	was, now = filled(), filled()
	was.Groups, now.Groups, was.Attributes, now.Attributes = nil, []Group{}, nil, map[string][]string{}
	if !sameUser(was, now) {
		t.Error("no groups, and none, are two things")
	}
}
