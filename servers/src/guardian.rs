//! Ending what this process has started, when this process can no longer do it.
//!
//! A value that is dropped ends its server itself. A guardian is there for when nothing is dropped: a process that is
//! killed, or that ends with its values still alive. It is a shell that reads from a pipe whose other end only this
//! process holds; when the pipe ends, the shell ends the server, runs one last command and removes the folder. The
//! kernel closes the pipe however this process ends, so no signal has to be caught for it. It is in a process group of
//! its own, where Ctrl-C does not reach it.

use std::{
    ffi::OsStr,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

/// `$1` is the signal, `$2` a folder or nothing, the rest a command or nothing. Whoever is about to end as well may still
/// write into the folder: then it is removed a second later.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
signal=$1 folder=$2
shift 2
while read -r line; do process=$line; done
if [ -n "$process" ]; then kill "-$signal" "$process"; fi
if [ $# -gt 0 ]; then "$@"; fi
if [ -n "$folder" ]; then rm -rf -- "$folder" || { sleep 1; rm -rf -- "$folder"; }; fi
"#;

/// Waits for the end of this process, and then ends what it was told to end. Dropping it dismisses it: then it does
/// nothing.
#[derive(Debug)]
pub struct Guardian {
    shell: Child,
    told: Option<ChildStdin>,
}

impl Guardian {
    /// When this process ends, the process that is [watched](Self::watch) gets `signal` (`KILL`, `TERM`).
    ///
    /// # Errors
    /// If no shell can be started.
    pub fn new(signal: &str) -> io::Result<Self> {
        Self::start(signal, None, &[])
    }

    /// When this process ends, the process that is [watched](Self::watch), if any, is killed, and the folder is removed
    /// with all that is in it.
    ///
    /// # Errors
    /// If no shell can be started.
    pub fn of_folder(folder: &Path) -> io::Result<Self> {
        Self::start("KILL", Some(folder), &[])
    }

    /// When this process ends, the command is run.
    #[cfg(feature = "containers")]
    pub(crate) fn of_command(command: &[&OsStr]) -> io::Result<Self> {
        Self::start("KILL", None, command)
    }

    fn start(signal: &str, folder: Option<&Path>, last: &[&OsStr]) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SCRIPT, "guardian", signal]).arg(folder.map_or(OsStr::new(""), Path::as_os_str)).args(last);
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut shell = shell.spawn()?;
        let told = shell.stdin.take();
        Ok(Self { shell, told })
    }

    /// From now on it is this process that it will end; `None` for none. Say so before the process is waited for:
    /// afterwards its number may be another one's.
    ///
    /// # Errors
    /// If the guardian is gone.
    pub fn watch(&mut self, process: Option<u32>) -> io::Result<()> {
        let Some(told) = &mut self.told else { return Ok(()) };
        let line = process.map(|process| process.to_string()).unwrap_or_default();
        writeln!(told, "{line}").and_then(|()| told.flush())
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // Before the pipe is closed, so that it does not see it end.
        let dismissed = self.shell.kill().and_then(|()| self.shell.wait());
        if let Err(error) = dismissed {
            eprintln!("the guardian of a server could not be dismissed: {error}");
        }
    }
}
