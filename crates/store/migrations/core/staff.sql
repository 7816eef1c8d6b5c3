-- People who sign in at a role's console, and what two of them must agree on.

CREATE TABLE staff (
    name text NOT NULL PRIMARY KEY,
    -- What they are, separated by commas.
    roles text NOT NULL,
    -- Argon2id of the password: half of what it gives is kept, the other half seals the second factor.
    salt bytea NOT NULL,
    verifier bytea NOT NULL,
    second_factor bytea NOT NULL,
    -- The time step of the last code that was taken: each is good once.
    last_step bigint NOT NULL,
    added bigint NOT NULL
);

-- Who is signed in. The secret itself is in the browser only.
CREATE TABLE staff_session (
    secret_sha256 bytea NOT NULL PRIMARY KEY,
    name text NOT NULL REFERENCES staff (name),
    started bigint NOT NULL,
    seen bigint NOT NULL
);

CREATE INDEX staff_session_name ON staff_session (name);

-- Names that were refused, whether anyone has them or not.
CREATE TABLE staff_refusal (
    name text NOT NULL PRIMARY KEY,
    failures bigint NOT NULL,
    until bigint NOT NULL
);

-- What one person proposed and another must approve.
CREATE TABLE approval (
    id bigint NOT NULL PRIMARY KEY,
    action text NOT NULL,
    body text NOT NULL,
    proposed_by text NOT NULL,
    proposed bigint NOT NULL,
    expires bigint NOT NULL,
    decided_by text,
    decided bigint,
    is_approved bigint
);

CREATE INDEX approval_open ON approval (expires) WHERE decided IS NULL;
