-- A chain of a device's calls that has forked, and what is held of it.

-- Which of the device's chains a call belongs to: 0 for the first, one more after each release.
ALTER TABLE journal ADD COLUMN chain bigint NOT NULL DEFAULT 0;
DROP INDEX journal_call;
CREATE UNIQUE INDEX journal_call ON journal (device, chain, number);

-- Device numbers whose calls are refused until a person has decided, and those that were released.
CREATE TABLE quarantine (
    device text NOT NULL,
    chain bigint NOT NULL,
    -- The entry of the journal that says so, and when.
    entry bigint NOT NULL,
    opened bigint NOT NULL,
    -- The entry up to which nothing is in doubt.
    since bigint NOT NULL,
    -- What was refused from then on: calls that follow the last answer, and others.
    following bigint NOT NULL,
    following_last bigint,
    straying bigint NOT NULL,
    straying_last bigint,
    -- The entry of the journal that ended it.
    released_by bigint,
    PRIMARY KEY (device, chain)
);

CREATE INDEX quarantine_open ON quarantine (device) WHERE released_by IS NULL;

-- Units that were counted and are taken back while in doubt, and that are given back: each as a booking of its
-- own, so that a period that is over stays as it is.
CREATE TABLE correction (
    -- The entry of the journal that books it.
    entry bigint NOT NULL,
    -- The reading.
    call bigint NOT NULL,
    device text NOT NULL,
    name text NOT NULL,
    units bigint NOT NULL,
    time bigint NOT NULL,
    PRIMARY KEY (entry, call, name)
);

CREATE INDEX correction_time ON correction (time);
