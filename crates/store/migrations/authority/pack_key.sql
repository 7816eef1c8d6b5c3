-- How a certificate's key reaches its device: plain (the stored one is sealed by the vault), sealed (the stored
-- one is the ciphertext that travels, under the pre-write key of this identifier or to the chip's own), own.
ALTER TABLE pack ADD COLUMN key_kind text NOT NULL DEFAULT 'plain';
ALTER TABLE pack ADD COLUMN key_identifier text;

-- The chip that a pack was made for, where it was made for one device.
ALTER TABLE pack ADD COLUMN hardware_uid text;
