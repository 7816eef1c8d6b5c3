-- Signed bundles between this side and peers that no network joins to it.

-- How far the conversation with a peer is, both ways.
CREATE TABLE bundle_peer (
    peer text NOT NULL PRIMARY KEY,
    -- The last bundle for it, and the last of these that it has taken.
    sent bigint NOT NULL,
    acknowledged bigint NOT NULL,
    -- The last bundle from it that was taken.
    taken bigint NOT NULL
);

-- Bundles for a peer, until it has taken them.
CREATE TABLE bundle_sent (
    peer text NOT NULL,
    sequence bigint NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (peer, sequence)
);

-- Bundles from a peer: what each was, and all of it until it is dealt with.
CREATE TABLE bundle_received (
    peer text NOT NULL,
    sequence bigint NOT NULL,
    sha256 bytea NOT NULL,
    received bigint NOT NULL,
    document bytea,
    PRIMARY KEY (peer, sequence)
);
