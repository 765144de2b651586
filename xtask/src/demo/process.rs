//! The processes of a run: how they are built, started, heard, told and ended.

use std::{
    fmt,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::Sender,
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use servers::Server;

use super::options::Options;
use crate::{Problem, programs};

/// The program of the service: freshly built, unless it was named.
pub(super) fn service(options: &Options) -> Result<PathBuf, Problem> {
    if let Some(named) = &options.service {
        return named.canonicalize().map_err(|error| format!("--service {}: {error}", named.display()));
    }
    let mut build = programs::cargo();
    build.args(["build", "--quiet", "--package", "checkout", "--bin", "checkout"]).stdin(Stdio::null());
    // What only servers need is compiled for those who have one.
    build.args(options.feature().into_iter().flat_map(|feature| ["--features", feature]));
    let built = build.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !built.success() {
        return Err("the service could not be built".to_owned());
    }
    // Beside this program, which cargo has built, too.
    let this = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let folder = this.parent().ok_or("this program stands in no folder")?;
    Ok(folder.join(format!("checkout{}", std::env::consts::EXE_SUFFIX)))
}

/// Which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Ledger,
    Opener,
    Onlooker,
    Customers,
    Auditor,
    Instance(u32),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ledger => f.write_str("the ledger"),
            Self::Opener => f.write_str("the shop's opening"),
            Self::Onlooker => f.write_str("the onlooker"),
            Self::Customers => f.write_str("the customers"),
            Self::Auditor => f.write_str("the auditor"),
            Self::Instance(number) => write!(f, "instance {number}"),
        }
    }
}

impl Who {
    const fn role(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Opener => "open",
            Self::Onlooker => "watch",
            Self::Customers => "clients",
            Self::Auditor => "audit",
            Self::Instance(_) => "instance",
        }
    }
}

/// Something that happened to the supervisor.
#[derive(Debug)]
pub(super) enum Event {
    /// A process said something.
    Said { who: Who, life: u32, line: Value },
    /// A process said its last word.
    Ended { who: Who, life: u32 },
    /// Somebody pressed a button on the page.
    Pressed { instance: u32, button: Button },
    /// The run's own server serves again, or why it does not.
    Returned { server: Box<Server>, came: Result<(), String> },
}

/// A button of an instance's card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Button {
    Kill,
    Freeze,
    Restart,
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    /// How many of its kind there were before it.
    pub(super) life: u32,
}

impl Process {
    /// Starts one, and has what it says sent to `events`.
    ///
    /// Call it on a thread that lives as long as the run: the kernel ends the process with the thread that started it.
    pub(super) fn start(
        service: &Path,
        who: Who,
        life: u32,
        arguments: &[String],
        events: &Sender<Event>,
    ) -> Result<Self, Problem> {
        let mut command = Command::new(service);
        // In a group of its own, so that Ctrl-C comes to the supervisor alone.
        command.arg(who.role()).args(arguments).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{who} cannot be started: {error}"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("it was asked for");
        let events = events.clone();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(line) = serde_json::from_str(&line) else {
                    eprintln!("{who}: {line}");
                    continue;
                };
                // The supervisor may have stopped listening already.
                events.send(Event::Said { who, life, line }).ok();
            }
            events.send(Event::Ended { who, life }).ok();
        });
        Ok(Self { child, stdin, life })
    }

    /// Its number in the system.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Tells it something; whether it can still be told. A frozen one hears it when it goes on.
    pub(super) fn tell(&mut self, line: &str) -> bool {
        self.stdin.as_mut().is_some_and(|stdin| writeln!(stdin, "{line}").and_then(|()| stdin.flush()).is_ok())
    }

    /// `SIGKILL`.
    pub(super) fn kill(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
    }

    /// `SIGSTOP`; whether it was there to be stopped.
    pub(super) fn freeze(&self) -> bool {
        kill_process(Pid::from_child(&self.child), Signal::STOP).is_ok()
    }

    /// `SIGCONT`.
    pub(super) fn thaw(&self) {
        // It may have been killed meanwhile.
        kill_process(Pid::from_child(&self.child), Signal::CONT).ok();
    }

    /// How it ended, once it has said its last word.
    pub(super) fn wait(&mut self) -> String {
        self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // So that none stays behind as a zombie.
        self.child.wait().ok();
    }
}
