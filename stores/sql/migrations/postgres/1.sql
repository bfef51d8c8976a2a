-- tower-jwt-auth-sql, PostgreSQL, version 1. To be run by hand: psql --single-transaction -v ON_ERROR_STOP=1 -f 1.sql
CREATE TABLE tower_jwt_auth_migrations (
    version    integer     NOT NULL PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row for each session. The record is JSON; the columns repeat what is searched. Times are milliseconds since 1970.
CREATE TABLE tower_jwt_auth_refresh (
    id          text   NOT NULL PRIMARY KEY,
    subject     text   NOT NULL,
    expires_at  bigint NOT NULL,
    retry_until bigint,
    revision    bigint NOT NULL,
    record      jsonb  NOT NULL
);
CREATE INDEX tower_jwt_auth_refresh_subject ON tower_jwt_auth_refresh (subject);
CREATE INDEX tower_jwt_auth_refresh_expires_at ON tower_jwt_auth_refresh (expires_at);
CREATE INDEX tower_jwt_auth_refresh_retry_until ON tower_jwt_auth_refresh (retry_until)
    WHERE retry_until IS NOT NULL;

-- Private keys of rings, and public keys that were fetched: as secret as what is in them.
CREATE TABLE tower_jwt_auth_keys (
    name     text  NOT NULL PRIMARY KEY,
    document bytea NOT NULL
);

-- What is revoked, in the order in which it was appended. A restored backup gives numbers anew, so each has a mark.
CREATE TABLE tower_jwt_auth_revocations (
    seq        bigint NOT NULL PRIMARY KEY,
    mark       text   NOT NULL DEFAULT gen_random_uuid()::text,
    expires_at bigint NOT NULL,
    record     jsonb  NOT NULL
);
CREATE INDEX tower_jwt_auth_revocations_expires_at ON tower_jwt_auth_revocations (expires_at);

-- One row: which log this is, the last number that was given, the highest number that was removed because it expired.
CREATE TABLE tower_jwt_auth_log (
    only_row    boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch       text    NOT NULL DEFAULT gen_random_uuid()::text,
    last_seq    bigint  NOT NULL DEFAULT 0,
    removed_seq bigint  NOT NULL DEFAULT 0
);
INSERT INTO tower_jwt_auth_log DEFAULT VALUES;

-- Hashes of what may be used once.
CREATE TABLE tower_jwt_auth_replays (
    name       bytea  NOT NULL PRIMARY KEY,
    expires_at bigint NOT NULL
);
CREATE INDEX tower_jwt_auth_replays_expires_at ON tower_jwt_auth_replays (expires_at);

INSERT INTO tower_jwt_auth_migrations (version) VALUES (1);
