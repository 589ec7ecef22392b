package store

import (
	"database/sql"
	"strings"
	"testing"
)

// A portal's page reads what the person is told. Among a hundred thousand sign-ins in progress it must not look for it.
func TestOwnedMemosAreFoundByTheIndex(t *testing.T) {
	raw(t, made(t, t.TempDir()), func(db *sql.DB) {
		var id, parent, unused int
		var plan string
		ok(t, db.QueryRowContext(t.Context(), "EXPLAIN QUERY PLAN SELECT id FROM memos WHERE owner = ? AND kind = ? AND expires > ? AND "+boundToNone,
			"corp:ann", "news", 0).Scan(&id, &parent, &unused, &plan))
		if !strings.Contains(plan, "memos_owner") {
			t.Error(plan)
		}
	})
}
