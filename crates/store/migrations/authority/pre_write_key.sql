-- Source B table 700: key identifier to pre-write key, the key that a product's firmware is built with.
-- The key is sealed by the vault, and gone once it is retired. What was exported is never handed out again.
CREATE TABLE pre_write_key (
    key_identifier text NOT NULL PRIMARY KEY,
    product text NOT NULL REFERENCES product (code),
    -- 1 for a product's first key, without gaps.
    number bigint NOT NULL,
    sealed_key bytea,
    made bigint NOT NULL,
    exported bigint,
    -- When another key became the product's current one.
    replaced bigint,
    retired bigint,
    UNIQUE (product, number)
);

-- One current key a product.
CREATE UNIQUE INDEX pre_write_key_current ON pre_write_key (product) WHERE replaced IS NULL;
