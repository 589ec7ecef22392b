package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

var _ idp.AuditLog = (*Store)(nil)

// Append returns when the event is durable. The store sets its ID.
func (s *Store) Append(ctx context.Context, e idp.Event) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	e.ID = 0
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding an audit event: %w", err)
	}
	err = o.audit.add(ctx, &auditRow{
		time: stamp(e.Time), person: e.User, name: strings.ToLower(e.Name), app: e.App, ref: e.Ref, digest: e.Digest, event: text,
	})
	if err != nil {
		return fmt.Errorf("writing an audit event: %w", err)
	}
	return nil
}

// Expect implements [idp.Forecast].
func (s *Store) Expect() (over func()) {
	s.expected.Add(1)
	return s.unexpected
}

// auditPage is how many events are read at a time: between pages nothing is held open, so that
// neither a slow reader nor a big answer keeps the database from tidying up.
const auditPage = 500

// Events calls yield for each event that the query fits, by time and then in the order they were
// written. Users fit the user key exactly and the name without regard to case. yield may use the store.
func (s *Store) Events(ctx context.Context, q idp.EventQuery, yield func(idp.Event) bool) error {
	if q.Ref != "" {
		found, err := s.around(ctx, &q)
		if err != nil || !found {
			return err
		}
	}
	where, args := auditFilter(q)
	var after cursor
	for {
		page, err := s.eventPage(ctx, where, args, &after)
		if err != nil {
			return err
		}
		for _, e := range page {
			if !yield(e) {
				return nil
			}
		}
		if len(page) < auditPage {
			return nil
		}
	}
}

// oneRef is how far the lines of one reference number are apart at most: those of a sign-in, which ends long before.
const oneRef = 24 * time.Hour

// around narrows a query to the time of the last lines that have its reference number, and reports whether there are any. The
// last one is looked for in the index alone, whose order is the time, from its end: people ring up about what is new.
func (s *Store) around(ctx context.Context, q *idp.EventQuery) (found bool, err error) {
	o, err := s.enter()
	if err != nil {
		return false, err
	}
	defer s.leave()
	where, args := auditFilter(idp.EventQuery{From: q.From, To: q.To, Ref: q.Ref})
	var last sql.NullInt64
	if err := o.read().row(ctx, "SELECT max(time) FROM audit WHERE "+where, args...).Scan(&last); err != nil {
		return false, fmt.Errorf("looking for %s in the audit log: %w", q.Ref, err)
	}
	if from := moment(last.Int64).Add(-oneRef); from.After(q.From) {
		q.From = from
	}
	q.To = moment(last.Int64).Add(1) // it is exclusive
	return last.Valid, nil
}

// cursor is where a page ended.
type cursor struct {
	on       bool
	time, id int64
}

func auditFilter(q idp.EventQuery) (string, []any) {
	where, args := []string{"1 = 1"}, []any(nil)
	add := func(cond string, values ...any) {
		where, args = append(where, cond), append(args, values...)
	}
	if !q.From.IsZero() {
		add("time >= ?", stamp(q.From))
	}
	if !q.To.IsZero() {
		add("time < ?", stamp(q.To))
	}
	if len(q.Users) > 0 {
		var who []string
		for _, u := range q.Users {
			who, args = append(who, "person = ? OR name = ?"), append(args, u, strings.ToLower(u))
		}
		add("(" + strings.Join(who, " OR ") + ")")
	}
	if q.App != "" {
		add("app = ?", q.App)
	}
	if q.Ref != "" {
		add("ref = ?", q.Ref)
	}
	return strings.Join(where, " AND "), args
}

func (s *Store) eventPage(ctx context.Context, where string, args []any, after *cursor) ([]idp.Event, error) {
	o, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer s.leave()
	if after.on {
		where += " AND (time, id) > (?, ?)"
		args = append(slices.Clip(args), after.time, after.id)
	}
	var page []idp.Event
	err = o.read().each(ctx, func(rows *sql.Rows) error {
		var text []byte
		if err := rows.Scan(&after.id, &after.time, &text); err != nil {
			return err
		}
		var e idp.Event
		if err := json.Unmarshal(text, &e); err != nil {
			return fmt.Errorf("event %d: %w", after.id, err)
		}
		e.ID = after.id
		page = append(page, e)
		return nil
	}, fmt.Sprintf("SELECT id, time, event FROM audit WHERE %s ORDER BY time, id LIMIT %d", where, auditPage), args...)
	if err != nil {
		return nil, fmt.Errorf("reading audit events: %w", err)
	}
	after.on = true
	return page, nil
}

// PutRuleText keeps the text behind a policy digest. It stays while this process runs, while a line
// names it, and for AuditKeep after it was last put.
func (s *Store) PutRuleText(ctx context.Context, digest, text string) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	o.texts.Store(digest, nil)
	err = o.write(ctx, func(c conn) error {
		_, err := c.exec(ctx, `INSERT INTO rule_texts (digest, text, at) VALUES (?, ?, ?)
			ON CONFLICT (digest) DO UPDATE SET text = excluded.text, at = excluded.at`, digest, text, stamp(o.Now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("keeping a rule text: %w", err)
	}
	return nil
}

// RuleText returns the text behind a digest.
func (s *Store) RuleText(ctx context.Context, digest string) (text string, err error) {
	o, err := s.enter()
	if err != nil {
		return "", err
	}
	defer s.leave()
	err = o.read().row(ctx, "SELECT text FROM rule_texts WHERE digest = ?", digest).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", idp.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("reading a rule text: %w", err)
	}
	return text, nil
}
