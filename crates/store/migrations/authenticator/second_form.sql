-- Credentials in their second form, and who may no longer ask.

-- Source B table 700: the keys by which sealed credentials are opened, sealed under the vault.
CREATE TABLE pre_write_key (
    identifier text NOT NULL PRIMARY KEY,
    sealed_key bytea NOT NULL
);

-- Source B tables 706 and 708: in its second form a credential is the ciphertext that its device keeps, and
-- there is no pass phrase here. The chip is stated where the key that opens it is derived for it.
ALTER TABLE apparatus ADD COLUMN ciphertext bytea;
ALTER TABLE apparatus ADD COLUMN key_identifier text;
ALTER TABLE apparatus ADD COLUMN hardware_uid text;

-- A record that was refused is about an apparatus ID or a key identifier.
ALTER TABLE refused_registration RENAME COLUMN apparatus_id TO subject;

-- Services of which no certificate counts any more, and the serials of those that were revoked, as the
-- authority said last.
CREATE TABLE shut_out_service (
    name text NOT NULL PRIMARY KEY
);

CREATE TABLE shut_out_certificate (
    serial text NOT NULL PRIMARY KEY
);
