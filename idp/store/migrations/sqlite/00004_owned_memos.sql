-- What a person is told at the next visit is found by whose it is. Flows, which are written at every step of a sign-in,
-- are bound to a browser and have no place in the index.

-- +goose Up
CREATE INDEX memos_owner ON memos (owner, kind) WHERE browser = X'0000000000000000000000000000000000000000000000000000000000000000';
