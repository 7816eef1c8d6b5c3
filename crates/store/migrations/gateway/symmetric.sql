-- Symmetric credentials beside certificates, packs that are sealed, and packs made on the spot.

-- A device may have no certificate, so an attempt does not refer to one.
CREATE TABLE new_attempt (
    id text NOT NULL PRIMARY KEY,
    number text NOT NULL,
    station text NOT NULL,
    hardware_uid text NOT NULL,
    started bigint NOT NULL,
    -- The signing request of the device, where it was answered that its certificate is owed.
    owed_request bytea,
    outcome text,
    state text
);

INSERT INTO new_attempt (id, number, station, hardware_uid, started, outcome, state)
SELECT id, number, station, hardware_uid, started, outcome, state FROM attempt;

DROP TABLE attempt;
ALTER TABLE new_attempt RENAME TO attempt;

CREATE INDEX attempt_number ON attempt (number);

CREATE TABLE new_credential (
    -- The device number in a certificate, or an apparatus ID.
    id text NOT NULL PRIMARY KEY,
    -- `certificate` or `symmetric`.
    kind text NOT NULL,
    product text NOT NULL,
    -- The device it belongs to. A symmetric credential belongs to none until it is leased.
    device_number text,
    -- The parts of a certificate's number.
    digits bigint,
    serial bigint,
    state text NOT NULL,
    reserved bigint NOT NULL,
    -- The pack, once it has arrived. What is secret in it is sealed under the data key in `slot`.
    created bigint,
    -- How its secret travels: `plain`, `sealed` or `own`, and the pre-write key it is sealed under.
    travels text,
    key_identifier text,
    sealed bytea,
    slot bigint UNIQUE,
    -- What a certificate's pack has.
    chain text REFERENCES chain (id),
    certificate bytea,
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

INSERT INTO new_credential (id, kind, product, device_number, digits, serial, state, reserved, created,
    travels, sealed, slot, chain, certificate, hardware_uid, attempt, station, expires, completed, reason)
SELECT number, 'certificate', product, number, digits, serial, state, reserved, created,
    CASE WHEN created IS NULL THEN NULL ELSE 'plain' END, sealed, slot, chain, certificate, hardware_uid,
    attempt, station, expires, completed, reason FROM credential;

DROP TABLE credential;
ALTER TABLE new_credential RENAME TO credential;

-- What is in stock, under which key, the oldest first.
CREATE INDEX credential_stock ON credential (product, kind, state, key_identifier, created);
CREATE UNIQUE INDEX credential_serial ON credential (product, digits, serial);
-- One device number, one apparatus ID.
CREATE UNIQUE INDEX credential_device_number ON credential (device_number) WHERE kind = 'symmetric';
CREATE INDEX credential_lease ON credential (expires) WHERE state = 'leased';
-- One chip, one device number.
CREATE UNIQUE INDEX credential_chip ON credential (hardware_uid, kind)
    WHERE completed IS NOT NULL AND state <> 'voided';
CREATE INDEX credential_slot_state ON credential (state) WHERE slot IS NOT NULL;
CREATE INDEX credential_completed ON credential (completed) WHERE completed IS NOT NULL;

-- What the pack of a symmetric credential has beside its ciphertext.
CREATE TABLE apparatus (
    id text NOT NULL PRIMARY KEY REFERENCES credential (id),
    form text NOT NULL,
    challenge bytea NOT NULL,
    -- What the device must answer the station.
    confirmation bytea NOT NULL
);

-- Symmetric credentials that the authority was asked for and that have not arrived.
CREATE TABLE apparatus_order (
    id text NOT NULL PRIMARY KEY,
    product text NOT NULL,
    count bigint NOT NULL,
    ordered bigint NOT NULL
);

-- Device numbers whose packs the authority was asked for on the spot and that have not arrived.
CREATE TABLE device_order (
    number text NOT NULL PRIMARY KEY,
    ordered bigint NOT NULL
);

ALTER TABLE outbox RENAME COLUMN number TO credential;
