-- Where each CA that signs devices stands. One signs at a time.
CREATE TABLE issuing_ca (
    name text NOT NULL PRIMARY KEY REFERENCES ca (name),
    -- In the order in which they were made, from 1 on.
    number bigint NOT NULL UNIQUE,
    state text NOT NULL,
    activated bigint,
    retired bigint
);

CREATE UNIQUE INDEX issuing_ca_active ON issuing_ca (state) WHERE state = 'active';

INSERT INTO issuing_ca (name, number, state) SELECT name, 1, 'active' FROM ca WHERE name = 'issuing';

-- What members said last of the CAs of devices that they trust.
CREATE TABLE member_heard (
    member text NOT NULL PRIMARY KEY,
    heard bigint NOT NULL
);

CREATE TABLE member_trust (
    member text NOT NULL REFERENCES member_heard (member),
    issuing_ca text NOT NULL REFERENCES ca (name),
    PRIMARY KEY (member, issuing_ca)
);
