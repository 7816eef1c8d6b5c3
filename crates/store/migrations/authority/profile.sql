-- Which credentials a product's devices take, and how they travel, in place of certificate yes or no.
-- Without an algorithm and an origin its devices take no certificate, without a form no symmetric credential.
ALTER TABLE product ADD COLUMN key_algorithm text;
ALTER TABLE product ADD COLUMN key_origin text;
ALTER TABLE product ADD COLUMN form text;
ALTER TABLE product ADD COLUMN sealing text NOT NULL DEFAULT 'plain';
UPDATE product SET key_algorithm = 'p-256', key_origin = 'authority' WHERE takes_certificate = 1;
ALTER TABLE product DROP COLUMN takes_certificate;
