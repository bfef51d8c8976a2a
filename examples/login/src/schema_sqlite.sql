CREATE TABLE IF NOT EXISTS users (
    id            TEXT PRIMARY KEY,      -- the `sub` of tokens: random, never given to somebody else
    username      TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,         -- a PHC string of Argon2id
    roles         TEXT NOT NULL          -- separated by spaces
) STRICT;

CREATE TABLE IF NOT EXISTS notes (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    author  TEXT NOT NULL REFERENCES users (id),
    text    TEXT NOT NULL,
    created INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;
