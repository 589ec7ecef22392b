-- event is the whole event as JSON; the other columns are what queries pick by. name is in lower case.
-- A launch waits for its row, and each index is another page of 4 KiB in that commit: one for reports,
-- which are about a time, and one for the service desk, which is told a reference number.

-- +goose Up
CREATE TABLE audit (
	id     INTEGER PRIMARY KEY,
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

CREATE TABLE rule_texts (
	digest TEXT PRIMARY KEY,
	text   TEXT NOT NULL,
	at     INTEGER NOT NULL
);
