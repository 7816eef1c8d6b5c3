-- The last CRL of each partition, complete and delta, as it was signed. `covers` is the last revocation that it
-- knows of; `base` is the number of the complete CRL that a delta adds to.
CREATE TABLE crl (
    issuing_ca text NOT NULL REFERENCES ca (name),
    partition bigint NOT NULL,
    kind text NOT NULL,
    number bigint NOT NULL,
    base bigint,
    covers bigint NOT NULL,
    this_update bigint NOT NULL,
    next_update bigint NOT NULL,
    crl bytea NOT NULL,
    PRIMARY KEY (issuing_ca, partition, kind)
);
