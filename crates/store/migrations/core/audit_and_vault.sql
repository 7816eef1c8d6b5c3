-- What every store has: its audit log and the public half of its vault.

CREATE TABLE audit (
    sequence bigint NOT NULL PRIMARY KEY,
    time bigint NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    body text NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL
);

-- Where the log ends. Without it the last entries could be cut off unseen.
CREATE TABLE audit_head (
    id bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    sequence bigint NOT NULL,
    hash bytea NOT NULL
);

-- How the vault key follows from the passphrase, and a sealed known text to check the passphrase by.
CREATE TABLE vault (
    id bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    salt bytea NOT NULL,
    memory_kib bigint NOT NULL,
    passes bigint NOT NULL,
    lanes bigint NOT NULL,
    check_sealed bytea NOT NULL
);
