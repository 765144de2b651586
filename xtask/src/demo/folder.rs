//! Where a run keeps its files.

use std::{env, fs, path::PathBuf, process};

use servers::Guardian;

use crate::Problem;

/// A fresh folder, removed when the run is over, and when this process is killed as well, unless it is kept.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// `None` where it is kept.
    guardian: Option<Guardian>,
}

impl Folder {
    /// Makes one where the system keeps what is temporary.
    pub(super) fn make(keep: bool) -> Result<Self, Problem> {
        let parent = env::temp_dir();
        for number in 0..1000 {
            let path = parent.join(format!("concurrency-demo-{}-{number}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {
                    let guardian = if keep { Ok(None) } else { Guardian::of_folder(&path).map(Some) };
                    let guardian = guardian.map_err(|error| format!("/bin/sh cannot be started: {error}"))?;
                    return Ok(Self { path, guardian });
                }
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
        if self.guardian.is_none() {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("cargo xtask demo: {} is left over: {error}", self.path.display());
        }
    }
}
