//! The tables, and how a file comes to have them.
//!
//! A file of ours says so in its `application_id`, and its version in its `user_version`. Migrations run in one immediate
//! transaction together with both: a crash in the middle leaves the file as it was, and of ten processes that open a new file
//! one creates the tables while the others wait.

use std::sync::LazyLock;

use concurrency_core::{Error, Result};
use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Fault, opening_error};

/// "conc".
const APPLICATION: i32 = 0x636f_6e63;

/// What each version adds to the one before. The first is that of an empty file; released ones never change.
const MIGRATIONS: &[&[&str]] = &[&[
    include_str!("schema/state.sql"),
    include_str!("schema/cache.sql"),
    include_str!("schema/event.sql"),
    include_str!("schema/lock.sql"),
]];

/// A transaction does not remove more values of a table than this and one, so that large ones do not hold the file for long.
const BYTES: u32 = 16 << 20;

/// How expired rows are found and removed: garbage collection, never semantics.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// Whether there is anything at `?1`.
    pub(crate) is_needed: String,
    /// Removes at most `?2` rows that had expired at `?1`.
    pub(crate) remove: String,
}

impl Sweep {
    /// Of a table with a primary key of these columns and an index on its column of deadlines; `size` is what counts of a row.
    fn of(table: &str, key: &str, deadline: &str, size: &str) -> Self {
        let expired = format!("FROM {table} WHERE {deadline} IS NOT NULL AND {deadline} <= ?1");
        let rows = bounded(key, &format!("SELECT {key}, {size} AS size {expired} ORDER BY {deadline} LIMIT ?2"));
        Self {
            is_needed: format!("SELECT EXISTS (SELECT 1 {expired})"),
            remove: format!("DELETE FROM {table} WHERE ({key}) IN ({rows})"),
        }
    }

    /// Of what was cleared: the rows of old generations, and then the notes of those that have none left.
    fn of_cleared_caches() -> [Self; 2] {
        // Whatever the time.
        let is_needed = "SELECT ?1 IS NOT NULL AND EXISTS (SELECT 1 FROM concurrency_cache_cleared)";
        let cleared = bounded(
            "generation, key",
            "SELECT entry.generation, entry.key, length(value) AS size FROM concurrency_cache_cleared cleared \
            CROSS JOIN concurrency_cache entry ON entry.generation = cleared.generation LIMIT ?2",
        );
        let entries = format!("DELETE FROM concurrency_cache WHERE (generation, key) IN ({cleared})");
        let generations = "DELETE FROM concurrency_cache_cleared WHERE generation IN (\
            SELECT generation FROM (SELECT generation FROM concurrency_cache_cleared cleared ORDER BY generation LIMIT ?2) \
            cleared WHERE NOT EXISTS (SELECT 1 FROM concurrency_cache entry WHERE entry.generation = cleared.generation))";
        [
            Self { is_needed: is_needed.to_owned(), remove: entries },
            Self { is_needed: is_needed.to_owned(), remove: generations.to_owned() },
        ]
    }

    /// Of what was truncated: the events, and then the marks of streams that have none of them left.
    fn of_truncated_events() -> [Self; 2] {
        // Whatever the time.
        let is_needed =
            "SELECT ?1 IS NOT NULL AND EXISTS (SELECT 1 FROM concurrency_event_streams WHERE swept < first)";
        let truncated = bounded(
            "position",
            "SELECT event.position, length(data) + length(metadata) AS size FROM concurrency_event_streams stream \
            CROSS JOIN concurrency_events event ON event.stream = stream.number AND event.version < stream.first \
            WHERE stream.swept < stream.first LIMIT ?2",
        );
        let events = format!("DELETE FROM concurrency_events WHERE position IN ({truncated})");
        let streams = "UPDATE concurrency_event_streams SET swept = first WHERE number IN (\
            SELECT number FROM concurrency_event_streams stream WHERE swept < first AND NOT EXISTS \
            (SELECT 1 FROM concurrency_events event WHERE event.stream = stream.number AND version < first) LIMIT ?2)";
        [
            Self { is_needed: is_needed.to_owned(), remove: events },
            Self { is_needed: is_needed.to_owned(), remove: streams.to_owned() },
        ]
    }
}

/// The `key` of the first of `rows` whose `size` comes to [`BYTES`]: of one at least.
fn bounded(key: &str, rows: &str) -> String {
    format!(
        "SELECT {key} FROM (SELECT {key}, sum(size) OVER (ROWS UNBOUNDED PRECEDING) - size AS before FROM ({rows})) \
        WHERE before < {BYTES}"
    )
}

/// The tables with rows that nobody is owed any more.
pub(crate) static SWEEPS: LazyLock<Vec<Sweep>> = LazyLock::new(|| {
    let mut sweeps = vec![
        Sweep::of("concurrency_state", "namespace, key", "expires", "length(value)"),
        Sweep::of("concurrency_state_marks", "namespace, key", "until", "0"),
        Sweep::of("concurrency_cache", "generation, key", "expires", "length(value)"),
        Sweep::of("concurrency_event_appends", "stream, append_id", "until", "0"),
    ];
    sweeps.extend(Sweep::of_cleared_caches());
    sweeps.extend(Sweep::of_truncated_events());
    sweeps
});

/// What a file is, before anything of it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// No tables at all.
    Empty,
    /// Ours, of this version.
    Ours(usize),
}

/// Looks, and changes nothing.
///
/// # Errors
/// `Incompatible` for a file of another program or of a newer version of this one.
pub(crate) fn look(connection: &Connection) -> Result<Found> {
    found(connection, MIGRATIONS.len())
}

/// Brings the file up to this version.
///
/// # Errors
/// As [`look`], and those of writing; then the file is as it was.
pub(crate) fn migrate(connection: &mut Connection) -> Result<()> {
    migrate_by(connection, MIGRATIONS)
}

fn migrate_by(connection: &mut Connection, migrations: &[&[&str]]) -> Result<()> {
    if found(connection, migrations.len())? == Found::Ours(migrations.len()) {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(opening_error)?;
    // Somebody else may have been faster.
    let version = match found(&transaction, migrations.len())? {
        Found::Empty => 0,
        Found::Ours(version) => version,
    };
    let write = || -> Result<(), Fault> {
        for statements in &migrations[version..] {
            for statement in *statements {
                transaction.execute_batch(statement)?;
            }
        }
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", migrations.len())?;
        Ok(())
    };
    write().map_err(Error::from)?;
    transaction.commit().map_err(crate::error::commit_error)
}

/// What a file says of itself: `application_id`, `user_version`, and whether it has no tables.
type Marks = (i32, i32, bool);

/// All of one instant: somebody else may be creating the tables.
fn marks(connection: &Connection) -> rusqlite::Result<Marks> {
    let begun = connection.is_autocommit();
    if begun {
        connection.execute_batch("BEGIN")?;
    }
    let read = || {
        let application = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let empty = connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", (), |row| row.get(0))?;
        Ok((application, version, empty))
    };
    let marks = read();
    if begun && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    marks
}

fn found(connection: &Connection, newest: usize) -> Result<Found> {
    let wanted = || "an empty file, or one of this library".into();
    match marks(connection).map_err(opening_error)? {
        (0, 0, true) => Ok(Found::Empty),
        (APPLICATION, version, _) => match usize::try_from(version) {
            Ok(version) if (1..=newest).contains(&version) => Ok(Found::Ours(version)),
            _ => Err(Error::Incompatible {
                what: "schema",
                found: format!("version {version}").into(),
                wanted: format!("version {newest} or older").into(),
            }),
        },
        (0, ..) => {
            Err(Error::Incompatible { what: "file", found: "tables of another program".into(), wanted: wanted() })
        }
        (other, ..) => Err(Error::Incompatible {
            what: "file",
            found: format!("a file of another program (application_id {other})").into(),
            wanted: wanted(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    #[test]
    fn an_empty_file_becomes_ours_and_stays_so() {
        let mut connection = memory();
        assert_eq!(look(&connection).unwrap(), Found::Empty);
        for _ in 0..2 {
            migrate(&mut connection).unwrap();
            assert_eq!(look(&connection).unwrap(), Found::Ours(MIGRATIONS.len()));
        }
    }

    #[test]
    fn an_older_file_is_brought_up_and_keeps_its_rows() {
        let mut connection = memory();
        migrate_by(&mut connection, &[&["CREATE TABLE a (x)"]]).unwrap();
        connection.execute("INSERT INTO a VALUES (7)", ()).unwrap();
        migrate_by(&mut connection, &[&["CREATE TABLE a (x)"], &["ALTER TABLE a ADD y DEFAULT 8"]]).unwrap();
        let row = connection.query_row("SELECT x, y FROM a", (), |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(row.unwrap(), (7, 8));
        assert_eq!(found(&connection, 2).unwrap(), Found::Ours(2));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_file_as_it_was() {
        let mut connection = memory();
        let broken: &[&[&str]] = &[&["CREATE TABLE a (x)"], &["CREATE TABLE b (x)", "CREATE TABLE b (x)"]];
        assert!(migrate_by(&mut connection, broken).is_err());
        assert_eq!(found(&connection, 2).unwrap(), Found::Empty);
    }

    const CRASHING: &str = "CONCURRENCY_SQLITE_CRASHING";

    /// Many steps, so that a kill meets them in the middle.
    fn migrate_for_long(connection: &mut Connection) {
        let statements: Vec<String> = (0..2000).map(|n| format!("CREATE TABLE t{n} (x)")).collect();
        let statements: Vec<&str> = statements.iter().map(|statement| &**statement).collect();
        migrate_by(connection, &[&statements]).unwrap();
    }

    /// The process that the next test kills.
    #[test]
    fn a_process_that_migrates() {
        let Some(path) = std::env::var_os(CRASHING) else { return };
        let mut connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        println!("begins");
        migrate_for_long(&mut connection);
    }

    #[test]
    fn a_crash_in_the_middle_leaves_the_file_as_it_was() {
        use std::io::{BufRead, BufReader};

        let (mut crashed, mut tries) = (0, 0_u32);
        while crashed < 5 {
            tries += 1;
            assert!(tries < 200, "{crashed} of {tries} met the migration in its middle");
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("test.db");
            let mut child = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "schema::tests::a_process_that_migrates", "--nocapture"])
                .env(CRASHING, &path)
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            assert!(lines.map_while(Result::ok).any(|line| line.ends_with("begins")), "the child has begun");
            std::thread::sleep(concurrency_core::random::up_to(std::time::Duration::from_millis(20)));
            child.kill().unwrap();
            child.wait().unwrap();
            let mut connection = Connection::open(&path).unwrap();
            match found(&connection, 1).unwrap() {
                Found::Empty => crashed += 1,
                Found::Ours(1) => {}
                other => panic!("{other:?}"),
            }
            // Whoever comes next finds nothing in its way.
            migrate_for_long(&mut connection);
            let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0));
            assert_eq!(tables, Ok(2000));
        }
    }

    #[test]
    fn newer_and_foreign_files_are_refused() {
        let mut newer = memory();
        migrate_by(&mut newer, &[&["CREATE TABLE a (x)"], &["CREATE TABLE b (x)"]]).unwrap();
        let refused = found(&newer, 1).unwrap_err();
        assert!(matches!(&refused, Error::Incompatible { what: "schema", found, .. } if &**found == "version 2"));

        let foreign = memory();
        foreign.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(matches!(look(&foreign), Err(Error::Incompatible { what: "file", .. })));
        let other = memory();
        other.pragma_update(None, "application_id", 7).unwrap();
        assert!(matches!(look(&other), Err(Error::Incompatible { what: "file", .. })));
    }

    #[test]
    fn a_value_of_a_quarter_of_a_page_takes_no_page_of_its_own() {
        for insert in [
            "INSERT INTO concurrency_state (namespace, key, version, value) VALUES ('n', ?1, zeroblob(16), zeroblob(1000))",
            "INSERT INTO concurrency_cache (generation, key, written, value) VALUES (x'', ?1, 1, zeroblob(1000))",
            "INSERT INTO concurrency_event_snapshots (namespace, stream, version, event, schema, data) \
                VALUES ('n', ?1, zeroblob(8), zeroblob(16), 1, zeroblob(1000))",
        ] {
            let mut connection = memory();
            migrate(&mut connection).unwrap();
            for n in 0..1000 {
                connection.execute(insert, [format!("key {n}").as_bytes()]).unwrap();
            }
            let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
            let size: i64 = connection.query_row(size, (), |row| row.get(0)).unwrap();
            assert!(size < 2_000_000, "a million bytes of values took {size}: {insert}");
        }
    }

    #[test]
    fn sweeping_removes_what_has_expired_and_nothing_else() {
        let mut connection = memory();
        migrate(&mut connection).unwrap();
        let insert = "INSERT INTO concurrency_state (namespace, key, version, expires, value) VALUES ('n', ?1, zeroblob(16), ?2, x'')";
        for (key, expires) in [("a", Some(10)), ("b", Some(11)), ("c", None), ("d", Some(5))] {
            connection.execute(insert, (key.as_bytes(), expires)).unwrap();
        }
        let state = &SWEEPS[0];
        let needed = |now: i64| connection.query_row(&state.is_needed, [now], |row| row.get::<_, bool>(0)).unwrap();
        assert!(!needed(4) && needed(5));
        assert_eq!(connection.execute(&state.remove, (10, 1)).unwrap(), 1);
        assert_eq!(connection.execute(&state.remove, (10, 9)).unwrap(), 1);
        let mut left = connection.prepare("SELECT key FROM concurrency_state").unwrap();
        let left: Vec<Vec<u8>> = left.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(left, [b"b", b"c"]);
    }
}
