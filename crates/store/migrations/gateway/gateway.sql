-- A factory's buffer: what is planned, what is in stock, who holds what, and what must be reported.

-- Source A Fig. 19A. `place` keeps the order of the list.
CREATE TABLE product (
    code text NOT NULL PRIMARY KEY,
    place bigint NOT NULL,
    takes_certificate bigint NOT NULL,
    remarks text NOT NULL
);

-- Source A Fig. 19B, a row a cell. Days are ISO 8601 dates.
CREATE TABLE plan (
    product text NOT NULL,
    day text NOT NULL,
    units bigint NOT NULL,
    PRIMARY KEY (product, day)
);

-- The authority's last word on what this factory may make, as it was received.
CREATE TABLE allotment (
    id bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    heard bigint NOT NULL,
    body text NOT NULL
);

-- Root and issuing certificate, which many packs share; `id` is the SHA-256 of both.
CREATE TABLE chain (
    id text NOT NULL PRIMARY KEY,
    root bytea NOT NULL,
    issuing bytea NOT NULL
);

-- Source A Fig. 20 and what a lease needs.
CREATE TABLE credential (
    number text NOT NULL PRIMARY KEY,
    product text NOT NULL,
    digits bigint NOT NULL,
    serial bigint NOT NULL,
    state text NOT NULL,
    reserved bigint NOT NULL,
    -- The pack, once it has arrived. The secret key is sealed under the data key in `slot`.
    created bigint,
    chain text REFERENCES chain (id),
    certificate bytea,
    pack_digest bytea,
    sealed bytea,
    slot bigint UNIQUE,
    -- The device it was leased to, and the lease in force.
    hardware_uid text,
    attempt text,
    station text,
    expires bigint,
    -- The write completion flag: when the device had confirmed.
    completed bigint,
    -- Why it is suspect or voided.
    reason text
);

CREATE INDEX credential_product_state ON credential (product, state);
CREATE UNIQUE INDEX credential_serial ON credential (product, digits, serial);
CREATE INDEX credential_lease ON credential (expires) WHERE state = 'leased';
-- One chip, one proved number.
CREATE UNIQUE INDEX credential_chip ON credential (hardware_uid) WHERE state = 'verified';
CREATE INDEX credential_slot_state ON credential (state) WHERE slot IS NOT NULL;
CREATE INDEX credential_completed ON credential (completed) WHERE completed IS NOT NULL;

-- Every try of a station to write a device, and the answer to its result.
CREATE TABLE attempt (
    id text NOT NULL PRIMARY KEY,
    number text NOT NULL REFERENCES credential (number),
    station text NOT NULL,
    hardware_uid text NOT NULL,
    started bigint NOT NULL,
    outcome text,
    state text
);

CREATE INDEX attempt_number ON attempt (number);

-- Records for the authority, in the order of their sequence; gone once the authority has taken them.
CREATE TABLE outbox (
    sequence bigint NOT NULL PRIMARY KEY,
    number text NOT NULL,
    time bigint NOT NULL,
    event text NOT NULL,
    failures bigint NOT NULL,
    -- Why the record waits for a person, where it does.
    parked text
);

CREATE INDEX outbox_parked ON outbox (sequence) WHERE parked IS NOT NULL;

CREATE TABLE outbox_end (
    id bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    sequence bigint NOT NULL
);

-- Stations that joined. A request counts only with the certificate of the last joining.
CREATE TABLE station (
    name text NOT NULL PRIMARY KEY,
    certificate_serial text NOT NULL,
    joined bigint NOT NULL,
    revoked bigint
);

CREATE TABLE invitation (
    secret_sha256 text NOT NULL PRIMARY KEY,
    station text NOT NULL,
    expires bigint NOT NULL,
    -- SHA-256 of the signing request that used it.
    request_sha256 text
);

-- When something last happened: `replenished`, `replenish wanted`.
CREATE TABLE moment (
    name text NOT NULL PRIMARY KEY,
    time bigint NOT NULL
);
