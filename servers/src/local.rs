//! Server programs of this machine.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    Data, Guardian, Kind, Setup, Unavailable,
    kind::Place,
    ports::free_port,
    probe::{Identity, Probe},
    sentinel,
    server::{PATIENCE, patiently},
};

/// Becomes the server when the guardian knows its number. If this process ends before, so does this.
const LAUNCH: &str = r#"read -r go && exec "$@" </dev/null"#;

/// Where the programs of servers are beside the folders of `PATH`, which lacks them for ordinary users.
const FOLDERS: &[&str] = &["/usr/local/sbin", "/usr/sbin", "/opt/homebrew/bin"];

/// How often a port may be lost to somebody who was faster.
const TRIES: usize = 5;

/// What a program is started as.
#[derive(Debug, Clone)]
pub(crate) enum Role {
    Server(Setup),
    /// Watches servers, as these lines of its configuration say.
    Sentinel(String),
}

/// A server program that runs, or did.
#[derive(Debug)]
pub(crate) struct Local {
    kind: Kind,
    role: Role,
    program: PathBuf,
    port: u16,
    child: Option<Child>,
    guardian: Guardian,
    /// Behind the guardian, so that it is gone when this is removed.
    folder: TempDir,
}

impl Local {
    /// Starts one on a free port, in a folder of its own.
    pub(crate) fn start(kind: Kind, role: Role) -> Result<(Self, Identity), Unavailable> {
        let program = find(kind.row().program).ok_or_else(|| no_program(kind))?;
        let failed = |error: io::Error| Unavailable::new(format!("{}: {error}", program.display()));
        let folder = tempfile::Builder::new().prefix("concurrency-server-").tempdir().map_err(failed)?;
        let guardian = Guardian::of_folder(folder.path()).map_err(failed)?;
        let port = free_port().map_err(failed)?;
        let mut local = Self { kind, role, program: program.clone(), port, child: None, guardian, folder };
        for _ in 1..TRIES {
            match local.launch() {
                Ok(identity) => return Ok((local, identity)),
                // Whoever has taken the port meanwhile keeps it.
                Err(_) if local.lost_its_port() => local.port = free_port().map_err(failed)?,
                Err(why) => return Err(why),
            }
        }
        local.launch().map(|identity| (local, identity))
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.kind.row().scheme, self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What it has said so far, in all its lives.
    pub(crate) fn log(&self) -> String {
        fs::read(self.log_file()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn lost_its_port(&self) -> bool {
        self.log().contains("Address already in use")
    }

    /// Starts the program, and returns when it serves.
    fn launch(&mut self) -> Result<Identity, Unavailable> {
        self.spawn().map_err(|error| Unavailable::new(format!("{}: {error}", self.program.display())))?;
        let (url, row) = (self.url(), self.kind.row());
        let mut last = "no answer".to_owned();
        let serves = patiently(PATIENCE, || {
            if let Some(status) = self.ended() {
                return Some(Err(format!("ended with {status}")));
            }
            let own = self.child.as_ref().map(Child::id);
            match (row.probe)(&url) {
                Probe::Serves(other) if other.process.is_some_and(|process| Some(process) != own) => {
                    last = "somebody else answers at its port".to_owned();
                    None
                }
                Probe::Serves(identity) => Some(Ok(identity)),
                Probe::Not(why) => {
                    last = why;
                    None
                }
            }
        });
        let why = match serves {
            Some(Ok(identity)) => return Ok(identity),
            Some(Err(why)) => why,
            None => format!("does not serve within {PATIENCE:?}: {last}"),
        };
        let failed = Unavailable::new(format!("{} {why}: {}", self.program.display(), end_of(&self.log())));
        self.kill().and(Err(failed))
    }

    fn spawn(&mut self) -> io::Result<()> {
        fs::create_dir_all(self.data())?;
        let data = self.data();
        let folder = data.to_str().ok_or_else(|| io::Error::other("the folder for temporary files is not UTF-8"))?;
        let place = Place { address: "127.0.0.1", port: self.port, folder };
        let log = OpenOptions::new().create(true).append(true).open(self.log_file())?;
        let arguments = match &self.role {
            Role::Server(setup) => (self.kind.row().arguments)(setup, &place),
            Role::Sentinel(lines) => sentinel::arguments(lines, &place)?,
        };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", LAUNCH, "launch"]).arg(&self.program).args(arguments);
        // In a group of its own, so that Ctrl-C does not reach it.
        command.current_dir(&data).process_group(0);
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        let child = self.child.insert(command.spawn()?);
        self.guardian.watch(Some(child.id()))?;
        let mut go = child.stdin.take().expect("it was asked for");
        writeln!(go, "go")
    }

    /// How it has ended, if it has.
    fn ended(&mut self) -> Option<String> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        self.child = None;
        // Its number is free again. A guardian that is gone ends nobody.
        drop(self.guardian.watch(None));
        Some(status.to_string())
    }

    /// Kills it; nothing happens if it has ended already.
    pub(crate) fn kill(&mut self) -> Result<(), Unavailable> {
        self.end(Signal::KILL).map_err(|error| Unavailable::new(format!("{} cannot be killed: {error}", self.kind)))
    }

    fn end(&mut self, signal: Signal) -> io::Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        kill_process(Pid::from_child(child), signal)?;
        if signal != Signal::KILL {
            let gone = patiently(PATIENCE, || child.try_wait().transpose());
            if gone.is_none() {
                child.kill()?;
            }
        }
        // A killed one is as good as gone, and its number still taken.
        let told = self.guardian.watch(None);
        child.wait()?;
        self.child = None;
        told
    }

    /// Lets it end by itself.
    pub(crate) fn stop(mut self) -> Result<(), Unavailable> {
        self.end(Signal::TERM).map_err(|error| Unavailable::new(format!("{} cannot be stopped: {error}", self.kind)))
    }

    /// Starts it again at its port; kills it first if it runs.
    pub(crate) fn restart(&mut self, data: Data) -> Result<Identity, Unavailable> {
        self.kill()?;
        if data == Data::Lost {
            let removed = fs::remove_dir_all(self.data());
            removed.map_err(|error| Unavailable::new(format!("its data cannot be removed: {error}")))?;
        }
        self.launch()
    }

    /// `SIGSTOP` and `SIGCONT`.
    pub(crate) fn freeze(&self, frozen: bool) -> Result<(), Unavailable> {
        let child = self.child.as_ref().ok_or_else(|| Unavailable::new(format!("{} does not run", self.kind)))?;
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        kill_process(Pid::from_child(child), signal).map_err(|error| Unavailable::new(error.to_string()))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} said last: {}", self.kind, end_of(&self.log()));
        }
        if let Err(why) = self.kill() {
            eprintln!("{why}");
        }
    }
}

/// The program of this name, if this machine has it.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(FOLDERS.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn no_program(kind: Kind) -> Unavailable {
    let missing = Unavailable::new(format!("no program {} on this machine", kind.row().program));
    match kind.debian_package() {
        Some(package) => {
            missing.or(format!("on Debian, as root: apt-get install {package}, or cargo xtask test --install"))
        }
        None => missing.or("no package of Debian 12 has it; what takes --via can have it with --via containers"),
    }
}

/// The last lines of a log, in one.
pub(crate) fn end_of(log: &str) -> String {
    let lines: Vec<_> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match &lines[lines.len().saturating_sub(5)..] {
        [] => "nothing".to_owned(),
        last => last.join(" / "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found() {
        assert!(find("sh").is_some_and(|path| path.ends_with("sh")));
        assert_eq!(find("no-such-program"), None);
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(!is_program(&package.join("Cargo.toml")) && !is_program(package));
    }

    #[test]
    fn what_is_missing_is_named_with_the_package_that_has_it() {
        assert!(no_program(Kind::Redis).to_string().contains("apt-get install redis-server"));
        assert!(no_program(Kind::Valkey).to_string().contains("--via containers"));
    }

    #[test]
    fn the_end_of_a_log_is_one_line() {
        assert_eq!(end_of("a\n b \n\nc\n"), "a / b / c");
        assert_eq!(end_of("1\n2\n3\n4\n5\n6\n"), "2 / 3 / 4 / 5 / 6");
        assert_eq!(end_of(""), "nothing");
    }
}
