-- Source A Figs. 5 and 6: common certificates, each shared by the devices of a batch. The key is sealed by the
-- vault until it is handed to the firmware build, once; then it is erased.
CREATE TABLE common_certificate (
    batch text NOT NULL PRIMARY KEY,
    product text NOT NULL REFERENCES product (code),
    -- 1 for a product's first batch, without gaps.
    number bigint NOT NULL,
    certificate_serial bytea NOT NULL UNIQUE,
    certificate bytea NOT NULL,
    sealed_key bytea,
    -- How many requests a day it may carry that nothing but itself speaks for.
    unproved_a_day_max bigint NOT NULL,
    made bigint NOT NULL,
    exported bigint,
    -- From when on nobody is answered who shows it, and why.
    stopped bigint,
    stop_reason text,
    UNIQUE (product, number)
);
