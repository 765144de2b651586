//! The statements of the backend, as they stand there: what those who do without it run by hand.

/// Version, deadline, instant and value; the namespace, the key, the most bytes, and no instant.
pub(super) const LOAD: &str = "SELECT version, expires, coalesce(?4, CAST(round(unixepoch('subsec') * 1000) AS INTEGER)), \
    CASE WHEN length(value) <= ?3 THEN value END FROM concurrency_state WHERE namespace = ?1 AND key = ?2";

/// The namespace, the key, the version, no deadline, and the value.
pub(super) const SAVE: &str = "INSERT INTO concurrency_state (namespace, key, version, expires, value) \
    VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT DO UPDATE SET version = excluded.version, expires = excluded.expires, value = excluded.value";

/// The numbers of log and stream, and what is known of the stream; the namespace and the stream's name.
pub(super) const STREAM: &str = "SELECT log.number, stream.number, first, last, token, until \
    FROM concurrency_event_logs log \
    LEFT JOIN concurrency_event_streams stream ON stream.log = log.number AND stream.name = ?2 \
    WHERE log.namespace = ?1";

/// An append that was repeated; the stream's number, the append's id, and the instant.
pub(super) const REPEATED: &str = "SELECT version, position, count, content FROM concurrency_events \
    WHERE stream = ?1 AND append_id = ?2 \
    UNION ALL SELECT first, position, count, content FROM concurrency_event_appends \
    WHERE stream = ?1 AND append_id = ?2 AND until > ?3";

/// The stream's number and its new version, and no fencing mark.
pub(super) const RAISE: &str = "UPDATE concurrency_event_streams SET last = ?2, token = ifnull(?3, token), \
    until = ifnull(?4, until) WHERE number = ?1";

/// The last position of so many.
pub(super) const COUNT: &str = "UPDATE concurrency_event_counter SET last = last + ?1 RETURNING last";

/// An event.
pub(super) const EVENT: &str = "INSERT INTO concurrency_events (position, log, stream, version, id, recorded, \
    append_id, count, content, type, metadata, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// The record of a lock; the namespace and the name.
pub(super) const HOLDER: &str =
    "SELECT token, owner, boot, expires, handed FROM concurrency_locks WHERE namespace = ?1 AND name = ?2";

/// Who stands first in line; the namespace and the name.
pub(super) const FIRST: &str = "SELECT place, client, owner, ttl, boot, counts_until FROM concurrency_lock_queue \
    WHERE namespace = ?1 AND name = ?2 ORDER BY place LIMIT 1";

/// The namespace, the name, the token, the owner, the boot, the deadline, 0, and the instant.
pub(super) const GRANT: &str = "INSERT INTO concurrency_locks (namespace, name, token, owner, boot, expires, handed, used) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET token = excluded.token, \
    owner = excluded.owner, boot = excluded.boot, expires = excluded.expires, handed = excluded.handed, \
    used = excluded.used";

/// Nobody of that owner waits any more; the namespace, the name, and the owner.
pub(super) const LEAVE: &str = "DELETE FROM concurrency_lock_queue WHERE namespace = ?1 AND name = ?2 AND owner = ?3";

/// The namespace, the name, and the instant.
pub(super) const FREE: &str =
    "UPDATE concurrency_locks SET owner = NULL, handed = 0, used = ?3 WHERE namespace = ?1 AND name = ?2";
