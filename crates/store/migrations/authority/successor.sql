-- Certificates that follow a number's first one: by renewal, by recovery, after a board swap.
CREATE TABLE successor (
    number text NOT NULL,
    -- 2 for the first that followed, then on, whatever became of those before.
    generation bigint NOT NULL,
    cause text NOT NULL,
    state text NOT NULL,
    certificate_serial bytea NOT NULL,
    public_key_sha256 bytea NOT NULL,
    -- The chip it is for, where that is known.
    hardware_uid text,
    intended bigint NOT NULL,
    -- None of these before it is signed.
    issued bigint,
    issuing_ca text REFERENCES ca (name),
    certificate bytea,
    PRIMARY KEY (number, generation)
);

-- A certificate that was never signed gives its key back: its device has no other to ask with.
CREATE UNIQUE INDEX successor_certificate_serial ON successor (certificate_serial);
CREATE UNIQUE INDEX successor_public_key ON successor (public_key_sha256) WHERE state <> 'abandoned';
CREATE INDEX successor_intended ON successor (number) WHERE state = 'intended';

-- One that its device has shown, and one that it has not shown yet.
CREATE UNIQUE INDEX successor_verified ON successor (number) WHERE state = 'verified';
CREATE UNIQUE INDEX successor_pending ON successor (number)
WHERE state IN ('intended', 'issued', 'stocked', 'leased', 'written');
