package idp

import (
	"errors"
	"slices"
)

// HelpDesk says who helps whom, on a page of the portal: the members of some groups those of others.
type HelpDesk struct {
	Groups []GroupRef // who helps
	For    []GroupRef // whom
}

// EventHelpDesk is about people whom somebody of the help desk, or an administrator by command, looked up, or did not get to
// see. What was done for them has the kind that it has anywhere.
const EventHelpDesk = "helpdesk"

// deskLook is what an audit line says of a look at a person.
const deskLook = "looked_up"

// helpDesks are all of them together.
type helpDesks []HelpDesk

func (ds helpDesks) check() error {
	for _, d := range ds {
		if len(d.Groups) == 0 || len(d.For) == 0 {
			return errors.New("a help desk takes groups that help and groups that are helped")
		}
	}
	return nil
}

// staff reports whether the person is of any help desk.
func (ds helpDesks) staff(u *User) bool {
	return slices.ContainsFunc(ds, func(d HelpDesk) bool { return u.InAny(d.Groups) })
}

// Why somebody is not helped, in the words of the audit line.
const (
	deskOneself = "oneself"
	deskOutside = "outside" // nobody of their groups, and told as if there was nobody of the name
	deskStaff   = "staff"   // of a help desk too
	deskNobody  = "not_found"
)

// refuses returns why somebody of the help desk may not help a person, or "". They could let themselves, or each other, in
// where a second step is to keep them out. The one account may be found by two sources, under keys of their own.
func (ds helpDesks) refuses(helper, u *User) string {
	helps := func(d HelpDesk) bool { return helper.InAny(d.Groups) && u.InAny(d.For) }
	switch {
	case helper.ID == u.ID:
		return deskOneself
	case !slices.ContainsFunc(ds, helps):
		return deskOutside
	case ds.staff(u):
		return deskStaff
	}
	return ""
}
