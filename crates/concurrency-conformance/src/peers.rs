//! Clients in processes of their own: the cases of races and histories, over several operating-system processes.
//!
//! A [`Crew`] starts processes (as a rule the same program again, with an argument that makes it call [`serve`]) and hands
//! out backends whose calls are made there. Cases do not notice: what they call a client is another process in turn. Dropping a
//! future here drops it there; a lease is judged there and here by the boot clock, which is one for all processes of a machine.
//!
//! ```no_run
//! use std::{env, process::Command, sync::Arc};
//!
//! use concurrency_conformance::{Harness, Level, Verdict, peers, state};
//! use concurrency_core::{Backend, Memory, Result, StateStore};
//! # async fn connect(_: String) -> Result<Arc<dyn Backend>> { Ok(Arc::new(Memory::new())) }
//!
//! fn main() {
//!     if peers::serve(connect) {
//!         return; // this was a process of the crew, and the crew is dismissed
//!     }
//!     let crew = Arc::new(peers::Crew::start(4, || Command::new(env::current_exe().unwrap())).unwrap());
//!     for case in state::CASES.iter().filter(|case| case.level == Level::Races) {
//!         let harness: Harness<dyn StateStore> = Harness::crew(Arc::clone(&crew), "mine://localhost", connect);
//!         assert_eq!(harness.run(case, 1), Verdict::Passed, "{}", case.name);
//!         println!("{}: {} processes took part", case.name, crew.took_part());
//!     }
//! }
//! ```

mod backend;
mod cache;
mod event;
mod line;
mod lock;
mod server;
mod state;
mod wire;

use std::{
    fmt,
    io::{self, Error},
    net::TcpListener,
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use concurrency_core::{Backend, Result, clock::BootInstant};

pub use self::server::serve;
use self::{backend::Peer, line::Line};

/// Tells a process of a crew where to report: the address of the one that started it.
const REPORT_TO: &str = "CONCURRENCY_CONFORMANCE_CREW";

/// How long a process may take to start and report.
const PATIENCE: Duration = Duration::from_secs(30);

/// Processes that make calls for this one. They end with it, or when this is dropped.
pub struct Crew {
    members: Vec<Member>,
    next: AtomicUsize,
    clients: AtomicU64,
}

struct Member {
    process: Child,
    line: Arc<Line>,
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("members", &self.members.len()).finish_non_exhaustive()
    }
}

impl Crew {
    /// Starts so many processes by `command`, each of which has to call [`serve`]. Their standard output is not shown.
    ///
    /// # Errors
    /// If one cannot be started, or does not report within 30 seconds.
    pub fn start(processes: usize, command: impl Fn() -> Command) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?.to_string();
        let mut crew = Self { members: Vec::new(), next: AtomicUsize::new(0), clients: AtomicU64::new(0) };
        for _ in 0..processes {
            let mut command = command();
            command.env(REPORT_TO, &address).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
            let mut process = command.spawn()?;
            match reported(&listener, &mut process).and_then(Line::new) {
                Ok(line) => crew.members.push(Member { process, line }),
                Err(error) => {
                    end(&mut process);
                    return Err(error);
                }
            }
        }
        Ok(crew)
    }

    /// How many processes there are.
    #[must_use]
    pub fn processes(&self) -> usize {
        self.members.len()
    }

    /// How many processes answered a call since this was asked last.
    #[must_use]
    pub fn took_part(&self) -> usize {
        self.members.iter().filter(|member| member.line.was_used()).count()
    }

    /// A client in the process whose turn it is, of what `url` names. `here` is a client of the same in this process: it says
    /// what is declared, since that cannot be waited for.
    ///
    /// # Errors
    /// Those of connecting there; `Unavailable` if the process is gone.
    pub async fn connect(self: &Arc<Self>, url: &str, here: Arc<dyn Backend>) -> Result<Arc<dyn Backend>> {
        let member = self.next.fetch_add(1, Ordering::Relaxed) % self.members.len();
        let client = self.clients.fetch_add(1, Ordering::Relaxed);
        let peer = Peer::connect(Arc::clone(&self.members[member].line), client, url, here).await?;
        Ok(Arc::new(peer))
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for member in &mut self.members {
            member.line.hang_up();
            end(&mut member.process);
        }
    }
}

/// The connection of a process that was just started.
fn reported(listener: &TcpListener, process: &mut Child) -> io::Result<std::net::TcpStream> {
    let deadline = BootInstant::now().after(PATIENCE);
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if let Some(status) = process.try_wait()? {
            return Err(Error::other(format!("a process of the crew ended with {status} and never called `serve`")));
        }
        if deadline.has_passed() {
            return Err(Error::other(format!("a process of the crew did not report within {PATIENCE:?}")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends a process that this one started.
fn end(process: &mut Child) {
    // It may have ended by itself.
    drop(process.kill());
    drop(process.wait());
}
