-- Locks: who was granted which name last, and under which token. A lease is judged by the boot clock, and under another boot
-- id it is over.
CREATE TABLE concurrency_locks (
    namespace TEXT NOT NULL,
    name      BLOB NOT NULL,
    token     INTEGER NOT NULL, -- the highest that was given out
    owner     BLOB,             -- NULL once it was released
    boot      BLOB NOT NULL,    -- the boot that `expires` counts from
    expires   INTEGER NOT NULL, -- nanoseconds since that boot
    handed    INTEGER NOT NULL, -- 1: handed over by a release, and not taken up yet
    used      INTEGER NOT NULL, -- milliseconds since 1970, of the last grant, renewal or release
    PRIMARY KEY (namespace, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX concurrency_locks_handed ON concurrency_locks (handed) WHERE handed = 1;
CREATE INDEX concurrency_locks_used ON concurrency_locks (used);

-- Who waits in line for a name: of each client at most one, the first of those who wait there.
CREATE TABLE concurrency_lock_queue (
    namespace    TEXT NOT NULL,
    name         BLOB NOT NULL,
    place        INTEGER NOT NULL,
    client       BLOB NOT NULL,
    owner        BLOB NOT NULL,
    ttl          INTEGER NOT NULL, -- nanoseconds
    boot         BLOB NOT NULL,
    counts_until INTEGER NOT NULL, -- nanoseconds since that boot; refreshed while it waits
    PRIMARY KEY (namespace, name, place),
    UNIQUE (namespace, name, client)
) STRICT, WITHOUT ROWID;
