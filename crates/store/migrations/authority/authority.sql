-- What may be made, what was issued for it, and who may ask.

-- The CAs, the root first. The root's key is not here; the others' are sealed by the vault.
CREATE TABLE ca (
    name text NOT NULL PRIMARY KEY,
    certificate bytea NOT NULL,
    sealed_key bytea
);

-- A product and the profile of its credentials.
CREATE TABLE product (
    code text NOT NULL PRIMARY KEY,
    takes_certificate bigint NOT NULL,
    organization text,
    -- Without a number of days a certificate does not expire.
    validity_days bigint,
    check_digit text NOT NULL
);

CREATE TABLE factory (
    name text NOT NULL PRIMARY KEY,
    added bigint NOT NULL
);

-- How much of a product a factory may make; `issued` counts the credentials that are not abandoned.
CREATE TABLE allotment (
    factory text NOT NULL REFERENCES factory (name),
    product text NOT NULL REFERENCES product (code),
    quota bigint NOT NULL,
    issued bigint NOT NULL,
    PRIMARY KEY (factory, product)
);

CREATE TABLE serial_range (
    product text NOT NULL,
    digits bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    factory text NOT NULL,
    PRIMARY KEY (product, digits, first),
    FOREIGN KEY (factory, product) REFERENCES allotment (factory, product)
);

-- The issue log: every certificate that was ever meant to be signed.
CREATE TABLE credential (
    certificate_serial bytea NOT NULL,
    -- None once its intent was abandoned: a number may then be tried again, and never otherwise.
    number text UNIQUE,
    product text NOT NULL,
    factory text NOT NULL,
    state text NOT NULL,
    public_key_sha256 bytea NOT NULL,
    intended bigint NOT NULL
);

-- No serial and no key twice. Each is random and lands on another page of its index, so these hold no more
-- of it than tells any two apart.
CREATE UNIQUE INDEX credential_certificate_serial ON credential (substr(certificate_serial, 1, 12));
CREATE UNIQUE INDEX credential_public_key ON credential (substr(public_key_sha256, 1, 12));
CREATE INDEX credential_intended ON credential (number) WHERE state = 'intended';

-- The signed certificate, and its key until the gateway has filed the pack.
CREATE TABLE pack (
    number text NOT NULL PRIMARY KEY,
    issued bigint NOT NULL,
    issuing_ca text NOT NULL REFERENCES ca (name),
    certificate bytea NOT NULL,
    pack_digest bytea NOT NULL,
    sealed_key bytea
);

-- Devices that have proved what they hold.
CREATE TABLE device (
    number text NOT NULL PRIMARY KEY,
    hardware_uid text NOT NULL,
    station text NOT NULL,
    verified bigint NOT NULL
);

CREATE INDEX device_hardware_uid ON device (hardware_uid);

-- Why a credential is suspect or voided.
CREATE TABLE reason (
    number text NOT NULL PRIMARY KEY,
    text text NOT NULL
);

-- What gateways reported, each record once, with the answer it got.
CREATE TABLE report (
    gateway text NOT NULL,
    sequence bigint NOT NULL,
    record_sha256 bytea NOT NULL,
    answer text NOT NULL,
    PRIMARY KEY (gateway, sequence)
);

-- Every certificate of a member, in hexadecimal; only one that is here and not revoked counts.
CREATE TABLE member (
    certificate_serial text NOT NULL PRIMARY KEY,
    member text NOT NULL,
    certificate bytea NOT NULL,
    public_key_sha256 text NOT NULL,
    issued bigint NOT NULL,
    revoked bigint
);

CREATE INDEX member_member ON member (member);

CREATE TABLE invitation (
    secret_sha256 text NOT NULL PRIMARY KEY,
    member text NOT NULL,
    expires bigint NOT NULL,
    -- The certificate that the invitation was used for.
    certificate_serial text REFERENCES member (certificate_serial)
);
