-- Source B tables 702 and 704: symmetric credentials, and the device that each belongs to.
CREATE TABLE apparatus (
    apparatus_id text NOT NULL PRIMARY KEY,
    product text NOT NULL REFERENCES product (code),
    factory text NOT NULL REFERENCES factory (name),
    -- The order that it was made for and its place there; none where it was made for one device.
    order_id text,
    place bigint,
    issued bigint NOT NULL,
    state text NOT NULL,
    -- Sealed by the vault; gone once the credential is void.
    sealed_pass_phrase bytea,
    form text NOT NULL,
    -- How it was sealed on its way, and the outcome: what the factory carries and, in the second form, the
    -- device keeps (source B tables 706 and 708). Without an identifier it is sealed to a chip's own key.
    sealing text NOT NULL,
    key_identifier text,
    ciphertext bytea NOT NULL,
    challenge bytea NOT NULL,
    -- Its device, from the moment that it belongs to one.
    number text,
    hardware_uid text
);

CREATE UNIQUE INDEX apparatus_order ON apparatus (factory, order_id, place);

CREATE INDEX apparatus_device ON apparatus (number);

-- A device has one live symmetric credential.
CREATE UNIQUE INDEX apparatus_number ON apparatus (number) WHERE state = 'verified';
CREATE UNIQUE INDEX apparatus_hardware_uid ON apparatus (hardware_uid) WHERE state = 'verified';

-- `apparatuses` counts the symmetric credentials as `issued` does the certificates; the quota holds for each.
ALTER TABLE allotment ADD COLUMN apparatuses bigint NOT NULL DEFAULT 0;
