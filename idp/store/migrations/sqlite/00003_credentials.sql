-- Whoever signs in with a passkey types no name: the browser says which credential it is, and that says whose.

-- +goose Up
CREATE INDEX enrollments_credential ON enrollments (factor, id);
