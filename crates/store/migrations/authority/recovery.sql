-- What devices asked for with their common certificates. A request goes by its new key; `state` is pending,
-- approved, refused or issued.
CREATE TABLE recovery (
    recovery bigint NOT NULL PRIMARY KEY,
    public_key_sha256 bytea NOT NULL UNIQUE,
    batch text NOT NULL REFERENCES common_certificate (batch),
    number text NOT NULL,
    hardware_uid text NOT NULL,
    asked bigint NOT NULL,
    state text NOT NULL,
    -- What speaks for the device, and who has decided when.
    ground text,
    decided bigint,
    decided_by text
);

CREATE INDEX recovery_number ON recovery (number);

-- How many requests a day came of a batch, or for a number, that nothing but the common certificate speaks for.
CREATE TABLE recovery_count (
    subject text NOT NULL,
    day bigint NOT NULL,
    asked bigint NOT NULL,
    PRIMARY KEY (subject, day)
);

-- Boards that another is to take the place of: the old identity is void, and the first new board to ask gets the
-- number.
CREATE TABLE board_swap (
    number text NOT NULL,
    opened bigint NOT NULL,
    reason text NOT NULL,
    expires bigint NOT NULL,
    former_hardware_uid text,
    -- The only board that may ask, where that was said.
    expected_hardware_uid text,
    -- The request that has used it.
    recovery bigint REFERENCES recovery (recovery),
    -- A later one has taken its place before it was used.
    replaced bigint
);

CREATE UNIQUE INDEX board_swap_open ON board_swap (number) WHERE recovery IS NULL AND replaced IS NULL;
CREATE INDEX board_swap_number ON board_swap (number);
