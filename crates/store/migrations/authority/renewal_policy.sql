-- When a product's devices may, and when they are to, renew their certificates.
CREATE TABLE renewal_policy (
    product text NOT NULL PRIMARY KEY REFERENCES product (code),
    -- For how many days after its last second a certificate may still be renewed.
    expired_days bigint NOT NULL,
    -- How many days before it devices are asked to; none where nobody asks them.
    before_days bigint
);
