package caddymodule

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func showCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "show NAME",
		Short: "Shows what is kept of one person",
		Long: `Shows the factors that a person has set up, how many recovery codes are left, the devices that are
remembered, the sessions that are open, the wrong answers that count and what they have locked, and whether
the password has to be changed first. It shows nothing that is secret. Factors that are set up elsewhere are
not kept here. Each look is a line of the audit log.

` + nameIsKey + `

Works whether Caddy is running or not.`,
		Example: "  caddy gatehouse user show alice@example.com",
		RunE: run(1, func(cmd *cobra.Command, args []string) error {
			return withPeople(cmd, func(ctx context.Context, l *loaded) error { return show(ctx, cmd, l, args[0]) })
		}),
	})
}

// person is an idp.Overview as programs read it. Each member is named, so that nothing secret comes in unnoticed.
type person struct {
	User           string        `json:"user"`
	Name           string        `json:"name"`
	Label          string        `json:"label"`
	Factors        []shownFactor `json:"factors"`
	RecoveryCodes  int           `json:"recovery_codes"`
	Devices        []shownDevice `json:"devices"`
	Sessions       []shownDevice `json:"sessions"`
	Tries          []shownTries  `json:"tries"`
	PasswordChange string        `json:"password_change,omitempty"`
	ChangedBare    bool          `json:"password_changed_without_factor,omitempty"`
}

type shownFactor struct {
	Factor string    `json:"factor"`
	Label  string    `json:"label,omitempty"`
	Added  time.Time `json:"added"`
	Used   time.Time `json:"used,omitzero"`
	More   string    `json:"more,omitempty"`
}

// shownDevice is a remembered device, or a session.
type shownDevice struct {
	Label string    `json:"label"`
	From  string    `json:"from,omitempty"`
	Since time.Time `json:"since"`
	Seen  time.Time `json:"seen,omitzero"`
}

type shownTries struct {
	Of     string `json:"of"`
	Wrong  int    `json:"wrong"`
	Most   int    `json:"most"`
	Within string `json:"within"`
	Locked bool   `json:"locked"`
}

func show(ctx context.Context, cmd *cobra.Command, l *loaded, name string) error {
	o, err := l.gateway.Overview(ctx, name, l.by)
	if err != nil {
		return personError(name, err)
	}
	p := shown(o)
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), p)
	}
	return p.write(cmd.OutOrStdout())
}

func shown(o *idp.Overview) person {
	p := person{
		User: o.User.Key(), Name: o.User.Name, Label: o.User.Label(), RecoveryCodes: o.Codes, PasswordChange: o.MustChange, ChangedBare: o.ChangedBare,
		Factors: []shownFactor{}, Devices: []shownDevice{}, Sessions: []shownDevice{}, Tries: shownTriesOf(o.Tries),
	}
	for _, f := range o.Factors {
		p.Factors = append(p.Factors, shownFactor{f.Factor, f.Label, f.Created, f.Used, f.More})
	}
	for _, d := range o.Devices {
		p.Devices = append(p.Devices, shownDevice{Label: d.Label, Since: d.Created, Seen: d.Seen})
	}
	for _, s := range o.Sessions {
		d := shownDevice{Label: s.Label(), Since: s.SignedIn, Seen: s.Seen}
		if s.Client.IsValid() {
			d.From = s.Client.String()
		}
		p.Sessions = append(p.Sessions, d)
	}
	return p
}

func shownTriesOf(list []idp.Tries) []shownTries {
	out := []shownTries{}
	for _, t := range list {
		out = append(out, shownTries{t.Of, t.Wrong, t.Most, t.Window.String(), t.Locked()})
	}
	return out
}

// String says which answers count.
func (t shownTries) String() string {
	s := fmt.Sprintf("%s: %d of %d within %s", t.Of, t.Wrong, t.Most, t.Within)
	if t.Locked {
		s += ", locked"
	}
	return s
}

func (p person) write(out io.Writer) error {
	var factors, devices, sessions, tries []string
	for _, f := range p.Factors {
		factors = append(factors, fmt.Sprintf("%s: %s, added %s%s%s", f.Factor, plain(f.Label), moment(f.Added), last("used", f.Used), plain(f.More)))
	}
	for _, d := range p.Devices {
		devices = append(devices, fmt.Sprintf("%s, since %s%s", plain(d.Label), moment(d.Since), last("seen", d.Seen)))
	}
	for _, s := range p.Sessions {
		sessions = append(sessions, fmt.Sprintf("%s from %s, since %s%s", plain(s.Label), s.From, moment(s.Since), last("seen", s.Seen)))
	}
	for _, t := range p.Tries {
		tries = append(tries, t.String())
	}
	text := fmt.Sprintf("%s (%s)\n", plain(p.Label), plain(p.User)) + under("factors", factors) + fmt.Sprintf("recovery codes: %d\n", p.RecoveryCodes) +
		under("remembered devices", devices) + under("sessions", sessions) + under("wrong answers", tries)
	if p.PasswordChange != "" {
		text += "password: has to be changed first, " + p.PasswordChange + "\n"
	}
	if p.ChangedBare {
		text += "password: changed with nothing but the old one, see enroll_after_change\n"
	}
	_, err := io.WriteString(out, text)
	return err
}

// under is a list below its heading.
func under(heading string, list []string) string {
	if len(list) == 0 {
		return heading + ": none\n"
	}
	return heading + ":\n  " + strings.Join(list, "\n  ") + "\n"
}

func moment(t time.Time) string { return t.Local().Format(time.DateTime) }

// last says when something last happened, where it has.
func last(what string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", last " + what + " " + moment(t)
}
