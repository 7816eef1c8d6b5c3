-- The key that packs in bundles are sealed to now; its secret half lies encrypted as packs do.
CREATE TABLE bundle_key (
    id bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    public_key bytea NOT NULL,
    slot bigint NOT NULL,
    sealed bytea NOT NULL
);
