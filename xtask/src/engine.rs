//! A Docker engine for as long as a task needs one, where none answers.

use std::{
    env, fs,
    io::ErrorKind,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use servers::{Engine, Guardian};

use crate::{Problem, debian, programs};

/// How long an engine may take to start, or to end.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);

/// An engine that was started for this task, and is stopped when this is dropped; also if this process is killed.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    guardian: Guardian,
}

/// Sees to it that an engine answers: nothing happens where one does; one that is installed is started; with `install`
/// it is installed first, if need be.
///
/// # Errors
/// If none answers then, and why.
pub(crate) fn ensure(install: bool) -> Result<Option<Daemon>, Problem> {
    let Err(why) = Engine::version() else { return Ok(None) };
    if !debian::is_root() {
        return Err(format!("{why}; only root can start one"));
    }
    if program().is_none() && install {
        debian::install(&["docker.io", "iptables"])?;
    }
    let program = program().ok_or_else(|| why.to_string())?;
    Daemon::start(&program).map(Some)
}

/// The engine's own program, in a folder that not every `PATH` has.
fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")]);
    folders.map(|folder| folder.join("dockerd")).find(|program| program.is_file())
}

impl Daemon {
    fn start(program: &Path) -> Result<Self, Problem> {
        let cannot = |error| format!("{}: {error}", program.display());
        let folder = programs::root().join("target");
        fs::create_dir_all(&folder).map_err(cannot)?;
        let log = folder.join("dockerd.log");
        println!("   {} (its log: {})", program.display(), log.display());
        let output = fs::File::create(&log).map_err(cannot)?;
        let mut guardian = Guardian::new("TERM").map_err(cannot)?;
        let mut command = Command::new(program);
        // In a group of its own, so that Ctrl-C does not reach it before its containers have ended.
        command.process_group(0).stdin(Stdio::null()).stdout(output.try_clone().map_err(cannot)?).stderr(output);
        let child = command.spawn().map_err(cannot)?;
        guardian.watch(Some(child.id())).map_err(cannot)?;
        let mut daemon = Self { child, guardian };
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if Engine::answers() {
                return Ok(daemon);
            }
            if let Ok(Some(status)) = daemon.child.try_wait() {
                return Err(format!("{} ended with {status}; see {}", program.display(), log.display()));
            }
            thread::sleep(PAUSE);
        }
        Err(format!("{} does not answer within {PATIENCE:?}; see {}", program.display(), log.display()))
    }

    fn stop(&mut self) -> std::io::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        self.child.kill().and_then(|()| self.child.wait()).map(drop)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let stopped = self.stop().and_then(|()| self.guardian.watch(None));
        if let Err(error) =
            stopped.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
        {
            eprintln!("the Docker engine of this task could not be stopped: {error}");
        }
    }
}
