-- How far the authority's withdrawals are stored.
CREATE TABLE feed (
    id bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    sequence bigint NOT NULL,
    heard bigint NOT NULL
);
