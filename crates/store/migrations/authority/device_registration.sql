-- What centers are told of devices: each record once, numbered without gaps.
CREATE TABLE device_registration (
    sequence bigint NOT NULL PRIMARY KEY,
    time bigint NOT NULL,
    number text NOT NULL,
    state text NOT NULL,
    public_key_sha256 bytea NOT NULL,
    issuing_ca text NOT NULL REFERENCES ca (name)
);

-- What was made before centers were told of it.
INSERT INTO device_registration (sequence, time, number, state, public_key_sha256, issuing_ca)
SELECT row_number() OVER (ORDER BY credential.number), credential.intended, credential.number,
    credential.state, credential.public_key_sha256, pack.issuing_ca
FROM credential JOIN pack ON pack.number = credential.number
WHERE credential.state IN ('verified', 'suspect', 'voided');
