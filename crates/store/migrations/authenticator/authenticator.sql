-- Who may authenticate, what was asked and not yet answered, and the keys that tokens are signed with.

-- Source B table 704. The pass phrase is sealed under the vault, and gone once the credential is revoked.
-- A credential that was revoked before it was ever heard of has no device number.
CREATE TABLE apparatus (
    id text NOT NULL PRIMARY KEY,
    device_number text,
    sealed_pass_phrase bytea,
    registered bigint,
    revoked bigint,
    reason text
);

-- One live identity a device.
CREATE UNIQUE INDEX apparatus_device ON apparatus (device_number) WHERE revoked IS NULL;

-- Nonces that were given out and not yet answered. A nonce that is answered is gone.
CREATE TABLE nonce (
    nonce bytea NOT NULL PRIMARY KEY,
    expires bigint NOT NULL
);

CREATE INDEX nonce_expires ON nonce (expires);

-- Failed proofs, counted in a fixed number of buckets, so that nobody can fill the table.
CREATE TABLE failure (
    bucket bigint NOT NULL PRIMARY KEY,
    failures bigint NOT NULL,
    last bigint NOT NULL
);

-- The public key is the uncompressed point; the private key is sealed under the vault.
CREATE TABLE signing_key (
    id text NOT NULL PRIMARY KEY,
    public_key bytea NOT NULL,
    sealed_private_key bytea NOT NULL,
    created bigint NOT NULL
);

-- How far the authority's registrations are stored.
CREATE TABLE feed (
    id bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    sequence bigint NOT NULL,
    heard bigint NOT NULL
);

-- Records of the authority that contradict what is stored. They hold up nothing, and are shown.
CREATE TABLE refused_registration (
    sequence bigint NOT NULL PRIMARY KEY,
    apparatus_id text NOT NULL,
    reason text NOT NULL
);
