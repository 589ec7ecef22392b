package e2e

import "testing"

type hotDesk struct{}

func openHotDesk(*testing.T, *Domain) *hotDesk { return nil }
func (*hotDesk) day(*testing.T)                {}
func (p *premises) homeToOffice(t *testing.T)    {}
func (p *premises) browsersDecide(t *testing.T)  {}
