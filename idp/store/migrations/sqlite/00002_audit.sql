-- event is the whole event as JSON; the other columns are what queries pick by. name is in lower case.

-- +goose Up
CREATE TABLE audit (
	id     INTEGER PRIMARY KEY AUTOINCREMENT,
	time   INTEGER NOT NULL,
	person  TEXT NOT NULL,
	name   TEXT NOT NULL,
	app    TEXT NOT NULL,
	ref    TEXT NOT NULL,
	digest TEXT NOT NULL,
	event  TEXT NOT NULL
);
CREATE INDEX audit_time ON audit (time);
CREATE INDEX audit_ref ON audit (ref);
CREATE INDEX audit_digest ON audit (digest);

CREATE TABLE rule_texts (
	digest TEXT PRIMARY KEY,
	text   TEXT NOT NULL,
	at     INTEGER NOT NULL
);
