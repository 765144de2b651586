//! How a connection is opened.

use std::time::Duration;

use concurrency_core::{Error, Result, clock::BootInstant};
use rusqlite::{Connection, MAIN_DB, OpenFlags};

use super::{Shared, busy, file::File, reader::Reader};
use crate::{
    error::{Fault, is_busy, no_wal, opening_error, unavailable},
    schema,
};

/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 128;
/// To which size the log is cut back after a checkpoint, if a burst made it larger.
const LOG_BYTES: i64 = 64 << 20;
/// What the writer keeps of the file in memory, in KiB; readers keep SQLite's default of 2 MiB each.
const WRITER_CACHE: i64 = 16 << 10;

/// The first connection of a client: proves that the file is one of ours, or makes it one. May wait for others, inside
/// [`busy::until`].
pub(super) fn first(file: &File, deadline: BootInstant) -> Result<Connection> {
    file.check_path()?;
    let mut connection = connect(file)?;
    // SQLite falls back to it silently.
    if connection.is_readonly(MAIN_DB).map_err(opening_error)? {
        return Err(unavailable());
    }
    // Before anything is changed: the file may be somebody else's.
    schema::look(&connection)?;
    share(&connection, deadline)?;
    file.remember()?;
    writing(&connection, file).map_err(Error::from)?;
    schema::migrate(&mut connection)?;
    Ok(connection)
}

/// Another connection that writes.
pub(super) fn writer(file: &File) -> Result<Connection> {
    let connection = connect(file)?;
    file.remember()?;
    writing(&connection, file).map_err(Error::from)?;
    Ok(connection)
}

/// A connection that reads.
pub(super) fn reader(shared: &Shared) -> Result<Reader> {
    let (file, place) = (&shared.file, shared.readers.take());
    let connection = connect(file)?;
    file.remember()?;
    connection.pragma_update(None, "query_only", true).map_err(opening_error)?;
    // Said in any case, since a build of SQLite may have another default.
    let mapped = i64::try_from(file.mapped_bytes()).unwrap_or(i64::MAX);
    connection.pragma_update(None, "mmap_size", mapped).map_err(opening_error)?;
    Ok(Reader::new(connection, place))
}

fn connect(file: &File) -> Result<Connection> {
    // Each connection is used by one thread at a time.
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, file.may_create());
    let connection = Connection::open_with_flags(file.path(), flags).map_err(|error| match file.check() {
        Ok(()) => opening_error(error),
        Err(gone) => gone,
    })?;
    connection.busy_handler(Some(busy::nap)).map_err(opening_error)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Switches the file to a write-ahead log, with which readers and the writer do not wait for each other.
fn share(connection: &Connection, deadline: BootInstant) -> Result<()> {
    let mode = |sql| connection.query_row(sql, (), |row| row.get::<_, String>(0));
    loop {
        // Asked first, because it needs no lock.
        let answer = mode("PRAGMA journal_mode").and_then(|found| match &*found {
            "wal" => Ok(found),
            _ => mode("PRAGMA journal_mode = WAL"),
        });
        match answer {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => return Err(no_wal(&format!("journal mode {mode} only"))),
            // SQLite does not ask the busy handler here where two switch at once.
            Err(error) if is_busy(&error) && !deadline.has_passed() => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(opening_error(error)),
        }
    }
}

fn writing(connection: &Connection, file: &File) -> Result<(), Fault> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE)?;
    if let Some(bytes) = file.max_bytes() {
        let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes / page).unwrap_or(i64::MAX);
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_processes_cannot_share_a_log_the_file_system_is_incompatible() {
        let folder = tempfile::tempdir().unwrap();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        // SQLite's own layers for file systems without shared memory or locks.
        for layer in ["unix-dotfile", "unix-none"] {
            let path = folder.path().join(layer);
            let connection = Connection::open_with_flags_and_vfs(path, flags, layer).unwrap();
            let refused = share(&connection, BootInstant::now()).unwrap_err();
            assert!(matches!(refused, Error::Incompatible { what: "file system", .. }), "{layer}: {refused:?}");
        }
        let memory = Connection::open_in_memory().unwrap();
        assert!(matches!(share(&memory, BootInstant::now()), Err(Error::Incompatible { .. })));
    }
}
