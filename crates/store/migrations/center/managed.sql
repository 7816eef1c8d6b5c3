-- Intermediate devices, and the devices that they speak for.

-- Products whose devices may manage others, and who approves what they manage.
CREATE TABLE intermediate_product (
    product text NOT NULL PRIMARY KEY,
    approval text NOT NULL
);

-- Who may speak for whom. A device has one approved intermediate device at most.
CREATE TABLE managed (
    device text NOT NULL,
    intermediate text NOT NULL,
    state text NOT NULL,
    changed bigint NOT NULL,
    PRIMARY KEY (device, intermediate)
);

CREATE UNIQUE INDEX managed_approved ON managed (device) WHERE state = 'approved';
CREATE INDEX managed_by ON managed (intermediate);

-- The intermediate device that passed a call on, and the managed device that a call is about.
ALTER TABLE journal ADD COLUMN through text;
ALTER TABLE journal ADD COLUMN about text;
CREATE INDEX journal_about ON journal (about, id) WHERE about IS NOT NULL;
