//! Where a run keeps its files.

use std::{env, fs, path::PathBuf, process};

use crate::Problem;

/// A fresh folder, removed when the run is over, unless it is kept.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    /// Makes one where the system keeps what is temporary.
    pub(super) fn make(keep: bool) -> Result<Self, Problem> {
        let parent = env::temp_dir();
        for number in 0..1000 {
            let path = parent.join(format!("concurrency-demo-{}-{number}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, keep }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("no folder can be made in {}: {error}", parent.display())),
            }
        }
        Err(format!("{} is full of folders of earlier runs", parent.display()))
    }

    /// A file in it.
    pub(super) fn file(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("cargo xtask demo: {} is left over: {error}", self.path.display());
        }
    }
}
