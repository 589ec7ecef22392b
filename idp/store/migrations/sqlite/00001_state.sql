-- Times are nanoseconds since 1970 (0: none); ids of 32 bytes are SHA-256 of what a browser holds.
-- Columns named sealed are AES-256-GCM, bound to table, row and column.

-- +goose Up
CREATE TABLE seal (
	id     TEXT PRIMARY KEY,
	sealed BLOB NOT NULL
);

CREATE TABLE saml_keys (
	id          TEXT PRIMARY KEY,
	state       TEXT NOT NULL CHECK (state IN ('active', 'next', 'retired')),
	created     INTEGER NOT NULL,
	certificate BLOB NOT NULL,
	sealed      BLOB NOT NULL
);
CREATE UNIQUE INDEX saml_keys_active ON saml_keys (state) WHERE state = 'active';

CREATE TABLE key_uploads (
	key_id TEXT NOT NULL REFERENCES saml_keys (id),
	app    TEXT NOT NULL,
	at     INTEGER NOT NULL,
	PRIMARY KEY (key_id, app)
);

CREATE TABLE cookie_keys (
	id      TEXT PRIMARY KEY,
	created INTEGER NOT NULL,
	sealed  BLOB NOT NULL
);

CREATE TABLE sessions (
	id        BLOB PRIMARY KEY,
	person     TEXT NOT NULL,
	signed_in INTEGER NOT NULL,
	expires   INTEGER NOT NULL,
	seen      INTEGER NOT NULL,
	sealed    BLOB NOT NULL
);
CREATE INDEX sessions_user ON sessions (person);
CREATE INDEX sessions_expires ON sessions (expires);

CREATE TABLE memos (
	n       INTEGER PRIMARY KEY AUTOINCREMENT,
	kind    TEXT NOT NULL,
	id      BLOB NOT NULL,
	browser BLOB NOT NULL,
	owner   TEXT NOT NULL,
	expires INTEGER NOT NULL,
	sealed  BLOB NOT NULL,
	UNIQUE (kind, id)
);
CREATE INDEX memos_browser ON memos (kind, browser);
CREATE INDEX memos_expires ON memos (expires);

CREATE TABLE enrollments (
	person   TEXT NOT NULL,
	factor  TEXT NOT NULL,
	id      TEXT NOT NULL,
	label   TEXT NOT NULL,
	sealed  BLOB NOT NULL,
	created INTEGER NOT NULL,
	used    INTEGER NOT NULL,
	step    INTEGER NOT NULL,
	PRIMARY KEY (person, factor, id)
);

CREATE TABLE devices (
	id      BLOB NOT NULL,
	person   TEXT NOT NULL,
	created INTEGER NOT NULL,
	seen    INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	sealed  BLOB NOT NULL,
	PRIMARY KEY (id, person)
);
CREATE INDEX devices_user ON devices (person);
CREATE INDEX devices_expires ON devices (expires);

CREATE TABLE failures (
	n    INTEGER PRIMARY KEY,
	key  TEXT NOT NULL,
	at   INTEGER NOT NULL,
	till INTEGER NOT NULL
);
CREATE INDEX failures_key ON failures (key, at);
CREATE INDEX failures_till ON failures (till);
