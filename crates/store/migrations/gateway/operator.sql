-- People at the stations. Of a badge's code only the SHA-256 is kept.
CREATE TABLE operator (
    name text NOT NULL PRIMARY KEY,
    badge_sha256 text NOT NULL UNIQUE,
    made bigint NOT NULL,
    withdrawn bigint
);

-- Devices that two operators have scrapped, by idempotency key.
CREATE TABLE scrap (
    id text NOT NULL PRIMARY KEY,
    number text NOT NULL,
    hardware_uid text NOT NULL,
    first_operator text NOT NULL,
    second_operator text NOT NULL,
    time bigint NOT NULL
);
