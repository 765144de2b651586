//! What SQLite says, as the error that the contract names for its cause.
//!
//! Of a driver's error only the code and its fixed text are kept: SQLite quotes statements and values in its messages.

use concurrency_core::{Error, Outcome, Source};
use rusqlite::{ErrorCode, ffi};

/// The effect may have happened, and may still show: after a crash SQLite may find the transaction in the log.
const UNKNOWN: Outcome = Outcome::Unknown { settled: false };

/// Why work on a connection ended without a result: SQLite failed, or the contract refuses.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite said so.
    Driver(rusqlite::Error),
    /// The contract says so.
    Told(Error),
}

impl Fault {
    /// The error of SQLite, where it is one.
    pub(crate) fn driver(&self) -> Option<Error> {
        match self {
            Self::Driver(error) => Some(of_driver(error)),
            Self::Told(_) => None,
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl From<Fault> for Error {
    /// Of a read, or of a statement in a transaction that was rolled back.
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Driver(error) => sql_error(error),
            Fault::Told(error) => error,
        }
    }
}

/// The error of the contract for what SQLite says of a statement: for the caller's own SQL in
/// [`Sqlite::transaction`](crate::Sqlite::transaction), which is rolled back if its closure fails.
#[must_use]
pub fn sql_error(error: rusqlite::Error) -> Error {
    of_driver(&error)
}

fn of_driver(error: &rusqlite::Error) -> Error {
    reduced(error).map_or_else(|error| error, |code| of_code(code, Outcome::NotApplied))
}

/// What SQLite says of a `COMMIT`. Nothing was applied where it says so before it writes the last frame of the log; of all
/// else we cannot know.
pub(crate) fn commit_error(error: rusqlite::Error) -> Error {
    match reduced(&error) {
        Ok(code) if is_certain(code) => of_code(code, Outcome::NotApplied),
        Ok(code) => match of_code(code, UNKNOWN) {
            // Their variants say that nothing was applied.
            Error::Exhausted { .. } | Error::Incompatible { .. } | Error::Unauthorized { .. } => {
                Error::backend(UNKNOWN, code)
            }
            error => error,
        },
        Err(_) => Error::backend(UNKNOWN, ffi::Error::new(ffi::SQLITE_MISUSE)),
    }
}

/// What SQLite says while a file is opened.
pub(crate) fn opening_error(error: rusqlite::Error) -> Error {
    match reduced(&error) {
        // The shared memory of the log cannot be had on network file systems and the like.
        Ok(code) if is_shared_memory(code) => no_wal("no shared memory for it"),
        Ok(code) if code.code == ErrorCode::CannotOpen => Error::Unauthorized { what: "opening the file" },
        Ok(code) => of_code(code, Outcome::NotApplied),
        Err(error) => error,
    }
}

/// A file system on which several processes cannot share a file.
pub(crate) fn no_wal(found: &str) -> Error {
    Error::Incompatible { what: "file system", found: found.into(), wanted: "a write-ahead log (WAL)".into() }
}

/// The file is held by another program, is gone, or cannot be written: it may be different a little later.
pub(crate) fn unavailable() -> Error {
    Error::Unavailable { outcome: Outcome::NotApplied, source: None }
}

/// Work on one of our threads panicked; it was rolled back.
pub(crate) fn panicked() -> Error {
    Error::backend(Outcome::NotApplied, "work on the connection panicked")
}

/// The same error for a request that wrote nothing in a transaction that failed.
pub(crate) fn without_effect(error: &Error) -> Error {
    let outcome = Outcome::NotApplied;
    match error.clone() {
        Error::Timeout { after, .. } => Error::Timeout { after, outcome },
        Error::Unavailable { source, .. } => Error::Unavailable { outcome, source },
        Error::Backend { source, .. } => Error::Backend { outcome, source },
        error => error,
    }
}

/// Whether another connection holds what was asked for.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// The code alone; or an error of the wrapper, which never reached SQLite.
fn reduced(error: &rusqlite::Error) -> Result<ffi::Error, Error> {
    match error {
        rusqlite::Error::SqliteFailure(code, _) => Ok(*code),
        rusqlite::Error::SqlInputError { error, .. } => Ok(*error),
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => {
            Err(Error::Decode { what: "a stored row", why: "a column of another type".into() })
        }
        _ => Err(Error::backend(Outcome::NotApplied, "the statement was not understood")),
    }
}

fn of_code(code: ffi::Error, outcome: Outcome) -> Error {
    let source = Some(Source::new(code));
    if code.extended_code == ffi::SQLITE_READONLY_DIRECTORY {
        return Error::Unauthorized { what: "creating the log beside the file" };
    }
    match code.code {
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::ReadOnly
        | ErrorCode::CannotOpen
        | ErrorCode::SystemIoFailure => Error::Unavailable { outcome, source },
        ErrorCode::DiskFull => Error::Exhausted { what: "disk", source },
        ErrorCode::OutOfMemory => Error::Exhausted { what: "memory", source },
        ErrorCode::NotADatabase => not_a_database(),
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            Error::Unauthorized { what: "access to the file" }
        }
        _ => Error::backend(outcome, code),
    }
}

fn not_a_database() -> Error {
    Error::Incompatible { what: "file", found: "no SQLite database".into(), wanted: "a SQLite database".into() }
}

/// Whether a `COMMIT` that failed so has not been applied and never will: these come before the last frame is written.
fn is_certain(code: ffi::Error) -> bool {
    matches!(
        code.code,
        ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::ConstraintViolation
            | ErrorCode::OperationInterrupted
    )
}

fn is_shared_memory(code: ffi::Error) -> bool {
    const CODES: [i32; 4] =
        [ffi::SQLITE_IOERR_SHMOPEN, ffi::SQLITE_IOERR_SHMSIZE, ffi::SQLITE_IOERR_SHMLOCK, ffi::SQLITE_IOERR_SHMMAP];
    CODES.contains(&code.extended_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("near \"secret\": a value".to_owned()))
    }

    #[test]
    fn a_cause_has_the_error_of_the_contract() {
        assert!(matches!(sql_error(failure(ffi::SQLITE_BUSY)), Error::Unavailable { .. }));
        assert!(matches!(sql_error(failure(ffi::SQLITE_READONLY_DBMOVED)), Error::Unavailable { .. }));
        assert!(matches!(sql_error(failure(ffi::SQLITE_READONLY_DIRECTORY)), Error::Unauthorized { .. }));
        assert!(matches!(sql_error(failure(ffi::SQLITE_FULL)), Error::Exhausted { what: "disk", .. }));
        assert!(matches!(sql_error(failure(ffi::SQLITE_NOTADB)), Error::Incompatible { what: "file", .. }));
        assert!(matches!(opening_error(failure(ffi::SQLITE_IOERR_SHMOPEN)), Error::Incompatible { .. }));
        assert!(matches!(opening_error(failure(ffi::SQLITE_CANTOPEN)), Error::Unauthorized { .. }));
        let column = rusqlite::Error::InvalidColumnType(0, "value".to_owned(), rusqlite::types::Type::Text);
        assert!(matches!(sql_error(column), Error::Decode { .. }));
    }

    #[test]
    fn a_failed_commit_is_certain_only_before_its_last_frame() {
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_FULL, ffi::SQLITE_READONLY] {
            assert_eq!(commit_error(failure(code)).outcome(), Outcome::NotApplied, "{code}");
        }
        for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_SHMSIZE, ffi::SQLITE_NOMEM, ffi::SQLITE_CORRUPT] {
            assert_eq!(commit_error(failure(code)).outcome(), UNKNOWN, "{code}");
        }
        let refused = without_effect(&commit_error(failure(ffi::SQLITE_IOERR_FSYNC)));
        assert_eq!(refused.outcome(), Outcome::NotApplied);
    }

    #[test]
    fn the_text_of_the_driver_never_shows() {
        for error in [sql_error(failure(ffi::SQLITE_ERROR)), commit_error(failure(ffi::SQLITE_IOERR_FSYNC))] {
            assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
        }
    }
}
