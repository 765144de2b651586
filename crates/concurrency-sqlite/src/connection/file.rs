//! Which file it is, and whether it still is.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use concurrency_core::{Error, Result, clock::BootInstant};

use crate::{SqliteConfig, error::unavailable};

/// How often readers look whether the file is still there; the writer does before each transaction.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A file on a local file system.
pub(super) struct File {
    path: PathBuf,
    create: bool,
    max_bytes: Option<u64>,
    mapped_bytes: u64,
    /// The file that was opened. A path can come to mean another one.
    identity: OnceLock<Identity>,
    /// When it was looked at last, in nanoseconds since the boot.
    looked: AtomicU64,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.path, f)
    }
}

/// Device and inode.
type Identity = (u64, u64);

impl File {
    pub(super) fn of(config: &SqliteConfig) -> Result<Self> {
        // So that a later change of the working directory changes nothing.
        let path =
            std::path::absolute(&config.path).map_err(|_| Error::invalid("path", "it cannot be made absolute"))?;
        Ok(Self {
            path,
            create: config.create.unwrap_or(true),
            max_bytes: config.max_file_size,
            mapped_bytes: config.mmap_size.unwrap_or(0),
            identity: OnceLock::new(),
            looked: AtomicU64::new(0),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn max_bytes(&self) -> Option<u64> {
        self.max_bytes
    }

    /// How much of it readers map into memory.
    pub(super) fn mapped_bytes(&self) -> u64 {
        self.mapped_bytes
    }

    /// Whether it may be created: before it was opened for the first time, if that is wanted.
    pub(super) fn may_create(&self) -> bool {
        self.create && self.identity.get().is_none()
    }

    /// What SQLite would only call "unable to open".
    ///
    /// # Errors
    /// `InvalidArgument` for a directory, a file in a directory that does not exist, and a missing file that must not be
    /// created.
    pub(super) fn check_path(&self) -> Result<()> {
        match std::fs::metadata(&self.path) {
            Ok(found) if found.is_dir() => return Err(Error::invalid("path", "it is a directory, not a file")),
            Ok(_) => return Ok(()),
            Err(_) => {}
        }
        if self.path.parent().is_none_or(|directory| !directory.is_dir()) {
            return Err(Error::invalid("path", "the directory of the file does not exist"));
        }
        let is_gone = matches!(self.path.try_exists(), Ok(false));
        if is_gone && !self.create {
            return Err(Error::invalid("path", "the file does not exist, and `create` is off"));
        }
        Ok(())
    }

    /// Remembers which file was opened.
    ///
    /// # Errors
    /// `Unavailable` where it is gone again.
    pub(super) fn remember(&self) -> Result<()> {
        let identity = identity(&self.path).ok_or_else(unavailable)?;
        if *self.identity.get_or_init(|| identity) == identity { Ok(()) } else { Err(unavailable()) }
    }

    /// Costs a microsecond.
    ///
    /// # Errors
    /// `Unavailable` where the path no longer leads to the file that was opened: what is written to that one is lost.
    pub(super) fn check(&self) -> Result<()> {
        if self.identity.get().is_some_and(|opened| identity(&self.path) != Some(*opened)) {
            return Err(unavailable());
        }
        Ok(())
    }

    /// As [`check`](Self::check), if that is some time ago.
    pub(super) fn check_now_and_then(&self) -> Result<()> {
        let now = u64::try_from(BootInstant::now().since_boot().as_nanos()).unwrap_or(u64::MAX);
        let looked = self.looked.load(Ordering::Relaxed);
        if now.saturating_sub(looked) < LOOK_EVERY.as_nanos() as u64 {
            return Ok(());
        }
        self.check()?;
        self.looked.store(now, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Elsewhere an open file can neither be deleted nor replaced.
#[cfg(not(unix))]
fn identity(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).ok().map(|_| (0, 0))
}
