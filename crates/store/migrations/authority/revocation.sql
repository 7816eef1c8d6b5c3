-- Every certificate that was revoked, as CRLs and OCSP tell it: each once, numbered without gaps.
CREATE TABLE revocation (
    sequence bigint NOT NULL PRIMARY KEY,
    issuing_ca text NOT NULL REFERENCES ca (name),
    certificate_serial bytea NOT NULL,
    number text NOT NULL,
    revoked bigint NOT NULL,
    reason text NOT NULL
);

CREATE INDEX revocation_number ON revocation (number);

CREATE UNIQUE INDEX revocation_serial ON revocation (issuing_ca, substr(certificate_serial, 1, 12));

-- A CRL lists the certificates of one CA whose serials have the same second byte.
CREATE INDEX revocation_partition ON revocation (issuing_ca, substr(certificate_serial, 2, 1), sequence);

-- What was voided before.
INSERT INTO revocation (sequence, issuing_ca, certificate_serial, number, revoked, reason)
SELECT row_number() OVER (ORDER BY credential.number), pack.issuing_ca, credential.certificate_serial,
    credential.number, coalesce(told.time, credential.intended), 'unspecified'
FROM credential JOIN pack ON pack.number = credential.number
LEFT JOIN (SELECT number, max(time) AS time FROM device_registration WHERE state = 'voided' GROUP BY number)
    AS told ON told.number = credential.number
WHERE credential.state = 'voided';

INSERT INTO revocation (sequence, issuing_ca, certificate_serial, number, revoked, reason)
SELECT (SELECT coalesce(max(sequence), 0) FROM revocation) + row_number() OVER (ORDER BY number, generation),
    issuing_ca, certificate_serial, number, issued, 'unspecified'
FROM successor WHERE state = 'voided' AND issuing_ca IS NOT NULL;
