-- Caches. The generation of a namespace stands in each of its rows: a new one, and all that there was is gone.
CREATE TABLE concurrency_caches (
    namespace  TEXT NOT NULL PRIMARY KEY,
    generation BLOB NOT NULL UNIQUE, -- 128 random bits
    entries    INTEGER NOT NULL, -- how many rows there are of this generation
    writes     INTEGER NOT NULL -- how many there were to it
) STRICT, WITHOUT ROWID;

-- Values, and reservations of keys without one.
-- The value comes last, so that the rest is read without its overflow pages; with row ids, as state has them.
CREATE TABLE concurrency_cache (
    generation BLOB NOT NULL,
    key        BLOB NOT NULL,
    written    INTEGER NOT NULL, -- which write to its generation this was: the lowest are evicted first
    expires    INTEGER, -- milliseconds since 1970; NULL is only by eviction
    token      BLOB, -- of the ticket, if it is a reservation
    value      BLOB NOT NULL, -- empty, if it is a reservation
    PRIMARY KEY (generation, key)
) STRICT;

CREATE INDEX concurrency_cache_written ON concurrency_cache (generation, written);
CREATE INDEX concurrency_cache_expires ON concurrency_cache (expires) WHERE expires IS NOT NULL;

-- Whoever adds or removes a row cannot forget to count it.
CREATE TRIGGER concurrency_cache_more AFTER INSERT ON concurrency_cache
BEGIN
    UPDATE concurrency_caches SET entries = entries + 1 WHERE generation = NEW.generation;
END;

CREATE TRIGGER concurrency_cache_less AFTER DELETE ON concurrency_cache
BEGIN
    UPDATE concurrency_caches SET entries = entries - 1 WHERE generation = OLD.generation;
END;

-- Generations that were cleared, and whose rows may still stand there.
CREATE TABLE concurrency_cache_cleared (
    generation BLOB NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;
