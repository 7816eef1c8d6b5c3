-- The fleet, what it said, and what was made of that.

-- Which device is which, as the authority says.
CREATE TABLE device (
    number text NOT NULL PRIMARY KEY,
    public_key_sha256 bytea NOT NULL,
    issuer_sha256 bytea NOT NULL,
    hardware_uid text,
    state text NOT NULL,
    registered bigint NOT NULL,
    changed bigint NOT NULL
);

-- How far the authority's registrations are stored.
CREATE TABLE feed (
    id bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    sequence bigint NOT NULL,
    heard bigint NOT NULL
);

-- All that an invoice follows from, as it came: calls, what staff asked of devices, what staff decided.
-- Each entry carries the hash of all before it.
CREATE TABLE journal (
    id bigint NOT NULL PRIMARY KEY,
    time bigint NOT NULL,
    kind text NOT NULL,
    device text NOT NULL,
    -- A call's boot number times 2^32, and its sequence number.
    number bigint,
    raw bytea NOT NULL,
    hash bytea NOT NULL,
    -- What a call was answered, for when it is repeated.
    answer text
);

CREATE UNIQUE INDEX journal_call ON journal (device, number);

-- What each counter is counted from next, and whether it is held.
CREATE TABLE counter (
    device text NOT NULL,
    name text NOT NULL,
    base bigint NOT NULL,
    held bigint NOT NULL,
    PRIMARY KEY (device, name)
);

-- What counters stood at, and from where to where each reading counts.
CREATE TABLE reading (
    call bigint NOT NULL,
    device text NOT NULL,
    name text NOT NULL,
    value bigint NOT NULL,
    state text NOT NULL,
    -- What it counts from, when that was settled, and by which entry of the journal.
    base bigint,
    settled bigint,
    settled_by bigint,
    PRIMARY KEY (call, name)
);

CREATE INDEX reading_settled ON reading (settled) WHERE settled IS NOT NULL;
CREATE INDEX reading_held ON reading (device, name, call) WHERE state = 'held';

-- What devices are asked to do; the number is that of the entry in the journal.
CREATE TABLE request (
    id bigint NOT NULL PRIMARY KEY,
    device text NOT NULL,
    command text NOT NULL,
    queued bigint NOT NULL,
    -- The call that was answered with it first, and the one that said what came of it.
    handed_out_by bigint,
    finished_by bigint,
    outcome text
);

CREATE INDEX request_open ON request (device, id) WHERE finished_by IS NULL;

-- What was refused and may be an attack, counted by device and kind, so that nobody can fill the table.
CREATE TABLE incident (
    device text NOT NULL,
    kind text NOT NULL,
    count bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    detail text NOT NULL,
    PRIMARY KEY (device, kind)
);
