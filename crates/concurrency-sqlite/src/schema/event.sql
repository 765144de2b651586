-- Events. Namespaces and streams have numbers, so that an event does not repeat their names.
CREATE TABLE concurrency_event_logs (
    number    INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL UNIQUE,
    truncated INTEGER -- the highest position that was truncated; NULL is none
) STRICT;

-- From the first append on, for ever: an emptied stream keeps its version and its fencing mark.
CREATE TABLE concurrency_event_streams (
    number INTEGER PRIMARY KEY,
    log    INTEGER NOT NULL,
    name   BLOB NOT NULL,
    last   INTEGER NOT NULL, -- the version of the event appended last
    first  INTEGER NOT NULL DEFAULT 1, -- the lowest version that was not truncated
    swept  INTEGER NOT NULL DEFAULT 1, -- events below this version are off the disk, too
    token  INTEGER, -- the fencing mark
    until  INTEGER, -- when the mark is forgotten, in milliseconds since 1970
    UNIQUE (log, name)
) STRICT;

CREATE INDEX concurrency_event_streams_unswept ON concurrency_event_streams (number) WHERE swept < first;

-- The last position given, in all logs of the file. It never goes back, whatever is deleted.
CREATE TABLE concurrency_event_counter (last INTEGER NOT NULL) STRICT;
INSERT INTO concurrency_event_counter VALUES (0);

-- The order of positions is that of commits: one writer at a time.
CREATE TABLE concurrency_events (
    position  INTEGER PRIMARY KEY,
    log       INTEGER NOT NULL,
    stream    INTEGER NOT NULL,
    version   INTEGER NOT NULL,
    id        BLOB NOT NULL,
    recorded  INTEGER NOT NULL, -- milliseconds since 1970
    -- Of the append whose first event this is; NULL in its other events.
    append_id BLOB,
    count     INTEGER, -- how many events it has
    content   BLOB, -- what tells its types and data from others
    type      TEXT NOT NULL,
    metadata  BLOB NOT NULL,
    data      BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX concurrency_events_of_log ON concurrency_events (log, position);
CREATE UNIQUE INDEX concurrency_events_of_stream ON concurrency_events (stream, version);
CREATE UNIQUE INDEX concurrency_events_appends ON concurrency_events (stream, append_id) WHERE append_id IS NOT NULL;

-- Appends whose first event is off the disk, until nobody is owed an answer to a repeat any more.
CREATE TABLE concurrency_event_appends (
    stream    INTEGER NOT NULL,
    append_id BLOB NOT NULL,
    first     INTEGER NOT NULL, -- the version of the first event
    position  INTEGER NOT NULL, -- of the first event
    count     INTEGER NOT NULL,
    content   BLOB NOT NULL,
    until     INTEGER NOT NULL, -- milliseconds since 1970
    PRIMARY KEY (stream, append_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX concurrency_event_appends_until ON concurrency_event_appends (until);

-- Whoever deletes an event cannot forget this. An id is known for seven days from its append on, and the millisecond by
-- which that instant was rounded down.
CREATE TRIGGER concurrency_event_appends_outlive AFTER DELETE ON concurrency_events WHEN OLD.append_id IS NOT NULL
BEGIN
    INSERT OR REPLACE INTO concurrency_event_appends (stream, append_id, first, position, count, content, until)
    VALUES (OLD.stream, OLD.append_id, OLD.version, OLD.position, OLD.count, OLD.content, OLD.recorded + 604800001);
END;

-- The newest snapshot of each stream, whether or not the stream exists; with row ids, as state has them.
CREATE TABLE concurrency_event_snapshots (
    namespace TEXT NOT NULL,
    stream    BLOB NOT NULL,
    version   BLOB NOT NULL, -- 64 bits, big-endian: any number can be asked for
    event     BLOB NOT NULL,
    schema    INTEGER NOT NULL,
    data      BLOB NOT NULL,
    PRIMARY KEY (namespace, stream)
) STRICT;
