-- The chain of a device's calls: each answer has a nonce, which the next call names.
ALTER TABLE journal ADD COLUMN nonce bytea;
-- Whether the call named the nonce of the answer before: 1, or 0 where the device does not know it.
ALTER TABLE journal ADD COLUMN chained bigint;
-- The address that a call came from.
ALTER TABLE journal ADD COLUMN address text;
