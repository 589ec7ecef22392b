package e2e

// opModifyResponse and opExtendedResponse answer what changes a password (RFC 4511 §4.6 and §4.12).
const (
	opModifyResponse   = 0x67
	opExtendedResponse = 0x78
)

// The faults of [FaultProxy.HangChanges], apart from those that are set by their names.
const (
	hangAtChange Fault = 100 + iota
	hangAtChangeReply
)

// HangChanges lets everything pass but changes of passwords and the like: with made the server makes the change and
// its answer is held; without, it never sees the request. The proxy has to end the TLS.
func (p *FaultProxy) HangChanges(made bool) {
	p.t.Helper()
	if p.pair == nil {
		p.t.Fatal("holding changes needs a proxy that ends the TLS")
	}
	f := hangAtChange
	if made {
		f = hangAtChangeReply
	}
	p.set(state{fault: f})
}

// holdsChange reports whether a request has to hang.
func (s state) holdsChange(m ldapMessage) bool {
	return s.fault == hangAtChange && (m.op == opModify || m.op == opExtended)
}

// holdsChanged reports whether an answer has to hang.
func (s state) holdsChanged(m ldapMessage) bool {
	return s.fault == hangAtChangeReply && (m.op == opModifyResponse || m.op == opExtendedResponse)
}
