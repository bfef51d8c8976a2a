-- tower-jwt-auth-sql, SQLite, version 1. To be run by hand: sqlite3 -bail -cmd BEGIN app.db '.read 1.sql' COMMIT
CREATE TABLE tower_jwt_auth_migrations (
    version    INTEGER NOT NULL PRIMARY KEY,
    applied_at TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;

-- One row for each session. The record is JSON; the columns repeat what is searched. Times are milliseconds since 1970.
CREATE TABLE tower_jwt_auth_refresh (
    id          TEXT    NOT NULL PRIMARY KEY,
    subject     TEXT    NOT NULL,
    expires_at  INTEGER NOT NULL,
    retry_until INTEGER,
    revision    INTEGER NOT NULL,
    record      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tower_jwt_auth_refresh_subject ON tower_jwt_auth_refresh (subject);
CREATE INDEX tower_jwt_auth_refresh_expires_at ON tower_jwt_auth_refresh (expires_at);
CREATE INDEX tower_jwt_auth_refresh_retry_until ON tower_jwt_auth_refresh (retry_until)
    WHERE retry_until IS NOT NULL;

-- Private keys of rings, and public keys that were fetched: as secret as what is in them.
CREATE TABLE tower_jwt_auth_keys (
    name     TEXT NOT NULL PRIMARY KEY,
    document BLOB NOT NULL
) STRICT;

-- What is revoked, in the order in which it was appended. A restored backup gives numbers anew, so each has a mark.
CREATE TABLE tower_jwt_auth_revocations (
    seq        INTEGER NOT NULL PRIMARY KEY,
    mark       TEXT    NOT NULL DEFAULT (lower(hex(randomblob(16)))),
    expires_at INTEGER NOT NULL,
    record     TEXT    NOT NULL
) STRICT;
CREATE INDEX tower_jwt_auth_revocations_expires_at ON tower_jwt_auth_revocations (expires_at);

-- One row: which log this is, the last number that was given, the highest number that was removed because it expired.
CREATE TABLE tower_jwt_auth_log (
    only_row    INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (only_row = 1),
    epoch       TEXT    NOT NULL DEFAULT (lower(hex(randomblob(16)))),
    last_seq    INTEGER NOT NULL DEFAULT 0,
    removed_seq INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO tower_jwt_auth_log DEFAULT VALUES;

-- Hashes of what may be used once.
CREATE TABLE tower_jwt_auth_replays (
    name       BLOB    NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tower_jwt_auth_replays_expires_at ON tower_jwt_auth_replays (expires_at);

INSERT INTO tower_jwt_auth_migrations (version) VALUES (1);
