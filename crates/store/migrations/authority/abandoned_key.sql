-- A certificate that was never signed gives its key back, as a successor does: where a device made the key, it has no
-- other to ask with.
DROP INDEX credential_public_key;
CREATE UNIQUE INDEX credential_public_key ON credential (substr(public_key_sha256, 1, 12))
WHERE state <> 'abandoned';
