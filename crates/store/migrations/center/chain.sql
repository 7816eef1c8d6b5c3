-- The chains of a device's calls after its first, which is 0 and is not in here: one begins with each release from
-- quarantine, and with each board that takes the place of another.
CREATE TABLE chain (
    device text NOT NULL,
    chain bigint NOT NULL,
    -- The entry of the journal that it begins with.
    entry bigint NOT NULL,
    -- Of a new board, the key that it came with.
    board_key_sha256 bytea,
    PRIMARY KEY (device, chain)
);

INSERT INTO chain (device, chain, entry)
SELECT device, chain + 1, released_by FROM quarantine WHERE released_by IS NOT NULL;
