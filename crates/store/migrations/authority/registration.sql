-- What authenticators are told, each record once, numbered without gaps: a symmetric credential that a device
-- holds or that is revoked, or a pre-write key, before the first credential that is kept under it.
CREATE TABLE registration (
    sequence bigint NOT NULL PRIMARY KEY,
    event text NOT NULL,
    apparatus_id text NOT NULL REFERENCES apparatus (apparatus_id),
    key_identifier text,
    reason text
);

CREATE INDEX registration_apparatus ON registration (apparatus_id);
CREATE UNIQUE INDEX registration_key ON registration (key_identifier);

-- Credentials, of either kind, of which nobody can say any more which device is the true one.
CREATE TABLE dispute (
    credential text NOT NULL PRIMARY KEY,
    since bigint NOT NULL
);

-- Why a credential, of either kind, is suspect or voided.
ALTER TABLE reason RENAME COLUMN number TO credential;
