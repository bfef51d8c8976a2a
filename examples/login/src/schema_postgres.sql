-- `CREATE TABLE IF NOT EXISTS` fails if two do it at once: one after the other, then.
SELECT pg_advisory_xact_lock(hashtext('login'));

CREATE TABLE IF NOT EXISTS users (
    id            text PRIMARY KEY,      -- the `sub` of tokens: random, never given to somebody else
    username      text NOT NULL UNIQUE,
    password_hash text NOT NULL,         -- a PHC string of Argon2id
    roles         text NOT NULL          -- separated by spaces
);

CREATE TABLE IF NOT EXISTS notes (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    author  text   NOT NULL REFERENCES users (id),
    text    text   NOT NULL,
    created bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint
);
