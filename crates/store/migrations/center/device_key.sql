-- A device has a key for each of its certificates: while one takes the place of another, both count.
CREATE TABLE device_key (
    number text NOT NULL,
    public_key_sha256 bytea NOT NULL,
    issuer_sha256 bytea NOT NULL,
    state text NOT NULL,
    -- The last second of its certificate, where it has one.
    expires bigint,
    -- From when on the device is asked to renew it, where it is.
    renew_from bigint,
    changed bigint NOT NULL,
    PRIMARY KEY (number, public_key_sha256)
);

INSERT INTO device_key (number, public_key_sha256, issuer_sha256, state, changed)
SELECT number, public_key_sha256, issuer_sha256, state, changed FROM device;

ALTER TABLE device DROP COLUMN public_key_sha256;
ALTER TABLE device DROP COLUMN issuer_sha256;
