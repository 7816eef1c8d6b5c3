-- Firmware: who may sign it, what there is, which devices get it, and which run it.

-- The public keys of makers, each good for the firmware of one product.
CREATE TABLE maker_key (
    product text NOT NULL,
    name text NOT NULL,
    point bytea NOT NULL,
    added bigint NOT NULL,
    PRIMARY KEY (product, name)
);

-- Packages, whose bytes lie in files beside the store. The name is the hash of all bytes.
CREATE TABLE firmware (
    name text NOT NULL PRIMARY KEY,
    product text NOT NULL,
    version text NOT NULL,
    security bigint NOT NULL,
    length bigint NOT NULL,
    key_name text NOT NULL,
    added bigint NOT NULL
);

CREATE UNIQUE INDEX firmware_version ON firmware (product, version);

-- What a device said last that it runs.
ALTER TABLE device ADD COLUMN firmware text;

-- Roll-outs. What was asked and came of it is counted here, so that nobody has to count rows to judge.
CREATE TABLE rollout (
    id bigint NOT NULL PRIMARY KEY,
    product text NOT NULL,
    firmware text NOT NULL,
    version text NOT NULL,
    -- Where it is rolled back to.
    previous text,
    previous_version text,
    share bigint NOT NULL,
    halt_above bigint NOT NULL,
    minimum bigint NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    started bigint NOT NULL,
    changed bigint NOT NULL,
    asked bigint NOT NULL,
    done bigint NOT NULL,
    refused bigint NOT NULL,
    failed bigint NOT NULL,
    rolled_back bigint NOT NULL,
    -- What had come when a person let it go on; the failure rate is that of what came since.
    finished_before bigint NOT NULL,
    failed_before bigint NOT NULL
);

-- A product has one roll-out at a time.
CREATE UNIQUE INDEX rollout_current ON rollout (product) WHERE state <> 'ended';

-- Which requests belong to a roll-out: a device is asked each step once.
CREATE TABLE rollout_request (
    request bigint NOT NULL PRIMARY KEY,
    rollout bigint NOT NULL,
    device text NOT NULL,
    step text NOT NULL,
    outcome text
);

CREATE UNIQUE INDEX rollout_request_device ON rollout_request (rollout, device, step);
