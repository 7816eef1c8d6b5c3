-- How stock went over time: what lay there, and what the coming days needed.
CREATE TABLE stock_sample (
    product text NOT NULL,
    kind text NOT NULL,
    time bigint NOT NULL,
    stocked bigint NOT NULL,
    wanted bigint NOT NULL,
    PRIMARY KEY (product, kind, time)
);

CREATE INDEX stock_sample_time ON stock_sample (time);

-- What stations did lately, and what waits for a person.
CREATE INDEX attempt_started ON attempt (started);
CREATE INDEX credential_suspect ON credential (id) WHERE state = 'suspect';
