package idp

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// NewsKind is the kind of memo that tells a person what was changed of that which signs them in (security.md C-38). Each
// change has a memo of its own, so that two at once are both told. ToldKind is that of those which have been read: they stay
// in the settings, so that whoever finds a session open cannot keep a change from its person by reading it in their place.
const (
	NewsKind = "news"
	ToldKind = "told"
)

// Bounds of what is told, and of what was. Each sort of change has a bound of its own: of many renamings, say, none puts
// another thing out of sight, and a sort that is full says by itself that something is wrong.
const (
	newsLife = 90 * 24 * time.Hour
	mostNews = 10 // of a sort
)

// news is an audit line that its person is shown, until they say that they have read it. The session that made the change
// is not: who sits there knows, or is the very one of whom the person should hear.
type news struct {
	Event    Event     `json:"event"`
	SignedIn time.Time `json:"signed_in,omitzero"` // of the session that made the change, together with Browser
	Browser  Hash      `json:"browser,omitzero"`
}

func (n *news) madeBy(s *Session) bool {
	return !n.SignedIn.IsZero() && n.SignedIn.Equal(s.SignedIn) && n.Browser == s.Browser
}

// newsText says what an audit line means for the person it is about, or is empty where they need not hear of it.
func (g *Gateway) newsText(e *Event) string {
	if e.Result != Success || e.User == "" {
		return ""
	}
	switch e.Kind {
	case EventEnroll:
		return g.enrollNewsText(e)
	case EventMFA:
		switch e.Factor {
		case RecoveryFactor:
			return "One of your recovery codes was used to sign in."
		case BypassFactor:
			return "A code of the service desk was used to sign in, in the place of your second step."
		}
	case EventInvite:
		if e.Factor == BypassFactor {
			return "A code of the service desk was used to set up a second step."
		}
	case EventBypass:
		return "A code was made that stands in for your second step."
	case EventPassword:
		return "Your password was changed, and your remembered devices were forgotten."
	case EventDevice:
		switch e.Reason {
		case "forgotten":
			return "A remembered device was forgotten: " + e.Detail + "."
		case "all_forgotten":
			return "Your remembered devices were forgotten."
		}
	case EventLogout:
		switch {
		case e.By != "":
			return "You were signed out everywhere, and your remembered devices were forgotten."
		case e.Reason == "others_ended":
			return "You were signed out everywhere else."
		}
	}
	return ""
}

func (g *Gateway) enrollNewsText(e *Event) string {
	step := "second step (" + g.factorLabel(e.Factor) + ")"
	switch {
	case e.Factor == RecoveryFactor && e.Reason == "made":
		return "New recovery codes were made. Those from before do not count any more."
	case e.Factor == RecoveryFactor:
		return "Your recovery codes were deleted."
	case e.Reason == "":
		return "A " + step + " was set up."
	case e.Reason == "renamed":
		return "A " + step + " was renamed: " + e.Detail + "."
	case e.Reason == "removed":
		return "A " + step + " was removed: " + e.Detail + ". Your remembered devices were forgotten."
	case e.Reason == "reset":
		return "Your " + step + " was deleted, and your remembered devices were forgotten."
	}
	return ""
}

// announce keeps an audit line for its person where they have to hear of it.
func (g *Gateway) announce(ctx context.Context, e Event) error {
	if g.newsText(&e) == "" {
		return nil
	}
	n := news{Event: e}
	if s := e.session; s != nil {
		n.SignedIn, n.Browser = s.SignedIn, s.Browser
	}
	data, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return g.keepNews(ctx, Memo{Kind: NewsKind, ID: hashOf(g.randomText()), Owner: e.User, Expires: e.Time.Add(newsLife), Data: data})
}

// keepNews keeps memos of one kind and person among the newest of their sorts.
func (g *Gateway) keepNews(ctx context.Context, memos ...Memo) error {
	for _, m := range memos {
		if err := g.store.PutMemo(ctx, m, 0); err != nil {
			return fmt.Errorf("keeping what is told at the next visit: %w", err)
		}
	}
	kept, err := g.newsOf(ctx, memos[0].Owner, memos[0].Kind)
	if err != nil {
		return err
	}
	_, old := newest(kept)
	for _, k := range old {
		if err := g.forgetNews(ctx, k.memo.Kind, k.memo.ID); err != nil {
			return err
		}
	}
	return nil
}

// newest parts a list, the newest first, into as many of each sort as are kept, and the rest.
func newest(list []keptNews) (kept, rest []keptNews) {
	n := map[string]int{}
	for _, k := range list {
		sort := k.Event.Kind + " " + k.Event.Reason + " " + k.Event.Factor
		if n[sort]++; n[sort] > mostNews {
			rest = append(rest, k)
			continue
		}
		kept = append(kept, k)
	}
	return kept, rest
}

func (g *Gateway) forgetNews(ctx context.Context, kind string, id Hash) error {
	_, err := g.store.TakeMemo(ctx, kind, id, g.now())
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// keptNews is news with the memo that keeps it.
type keptNews struct {
	memo Memo
	news
}

// newsOf returns what is kept for a person, the newest first.
func (g *Gateway) newsOf(ctx context.Context, user string, kinds ...string) (out []keptNews, err error) {
	for _, kind := range kinds {
		kept, err := g.store.OwnedMemos(ctx, kind, user, g.now())
		if err != nil {
			return nil, err
		}
		for _, m := range kept {
			k := keptNews{memo: m}
			if err := json.Unmarshal(m.Data, &k.news); err != nil {
				return nil, fmt.Errorf("reading what is told: %w", err)
			}
			out = append(out, k)
		}
	}
	slices.Reverse(out)
	slices.SortStableFunc(out, func(a, b keptNews) int { return b.Event.Time.Compare(a.Event.Time) })
	return out, nil
}

// untold returns what of a list the session has to be told.
func untold(list []keptNews, s *Session) (out []keptNews) {
	for _, k := range list {
		if k.memo.Kind == NewsKind && !k.madeBy(s) {
			out = append(out, k)
		}
	}
	return out
}

// newsFor tells what the visitor has to be told.
func (g *Gateway) newsFor(ctx context.Context, v *visitor) ([]web.News, error) {
	list, err := g.newsOf(ctx, v.session.User.Key(), NewsKind)
	return g.inWords(untold(list, v.session)), err
}

// allNews is newsFor, and lately: all that was changed, whether it has been read or not.
func (g *Gateway) allNews(ctx context.Context, v *visitor) (news, lately []web.News, err error) {
	list, err := g.newsOf(ctx, v.session.User.Key(), ToldKind, NewsKind)
	kept, _ := newest(list)
	return g.inWords(untold(list, v.session)), g.inWords(kept), err
}

func (g *Gateway) inWords(list []keptNews) (out []web.News) {
	for _, k := range list {
		out = append(out, web.News{ID: hex.EncodeToString(k.memo.ID[:]), Text: g.newsText(&k.Event), Detail: g.fromWhere(&k.Event)})
	}
	return out
}

// fromWhere says when something was done, and from which browser or by whom.
func (g *Gateway) fromWhere(e *Event) string {
	when := onDay(e.Time, g.now()) + e.Time.Format(", 15:04 MST")
	switch {
	case e.By != "":
		return when + ", by the service desk: " + e.By
	case e.Agent == "" && !e.Client.IsValid():
		return when + ", by the service desk"
	case !e.Client.IsValid():
		return when + ", from " + deviceLabel(e.Agent)
	}
	return when + ", from " + deviceLabel(e.Agent) + ", " + e.Client.String()
}

// postNews puts away what the person has read: what their page showed, and nothing that came since. It is kept in its other
// place before it leaves the first.
func (g *Gateway) postNews(w http.ResponseWriter, r *http.Request, v *visitor) error {
	list, err := g.newsOf(r.Context(), v.session.User.Key(), NewsKind)
	if err != nil {
		return err
	}
	var read []Memo
	for _, k := range slices.Backward(untold(list, v.session)) {
		if m := k.memo; slices.Contains(r.PostForm["read"], hex.EncodeToString(m.ID[:])) {
			m.Kind = ToldKind
			read = append(read, m)
		}
	}
	if err := g.putAway(context.WithoutCancel(r.Context()), read); err != nil {
		return err
	}
	if r.PostForm.Get("from") == "portal" {
		return redirect(w, "/")
	}
	return redirect(w, "/settings")
}

// putAway keeps what has been read among what was told, and lets it leave what is.
func (g *Gateway) putAway(ctx context.Context, read []Memo) error {
	if len(read) == 0 {
		return nil
	}
	if err := g.keepNews(ctx, read...); err != nil {
		return err
	}
	for _, m := range read {
		if err := g.forgetNews(ctx, NewsKind, m.ID); err != nil {
			return err
		}
	}
	return nil
}
