-- What a person withdrew at the authority, for the gateway of its factory: each record once, in order.
CREATE TABLE withdrawal (
    sequence bigint NOT NULL PRIMARY KEY,
    factory text NOT NULL,
    credential text NOT NULL,
    reason text NOT NULL
);

CREATE INDEX withdrawal_factory ON withdrawal (factory, sequence);
