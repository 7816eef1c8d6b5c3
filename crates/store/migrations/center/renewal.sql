-- When the device was asked last to renew the certificate of this key, where it was by policy.
ALTER TABLE device_key ADD COLUMN renewal_asked bigint;
