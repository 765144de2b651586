//! The supervisor: starts the processes, aims the faults, and ends what it has started.

mod events;
mod server;
mod steps;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::Duration,
};

use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};

use self::server::Own;
use super::{
    aims::Aims,
    folder::Folder,
    memory,
    options::Options,
    page::Page,
    place::Place,
    process::{Event, Process, Who, service},
    report::Report,
    snapshot::snapshot,
    stopwatch::Stopwatch,
    world::{Phase, World},
};
use crate::Problem;

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// How often the time is looked at.
const TICK: Duration = Duration::from_millis(20);
/// How often the page gets something new.
const SHOW: Duration = Duration::from_millis(100);
/// How long the page has to fetch the end.
const LAST_LOOK: Duration = Duration::from_millis(1500);

/// Why a run did not come to its end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// Ctrl-C.
    Asked,
    /// The backend has no such component on this system.
    Lacks(String),
    /// This happened.
    Failed(Problem),
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

/// Runs the demo on several processes.
pub(super) fn run(options: Options) -> Result<ExitCode, Problem> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(|error| format!("Ctrl-C: {error}"))?;
    }
    let (sender, events) = mpsc::channel();
    if let Some(file) = &options.json {
        // Half a minute later would be late to say so.
        fs::write(file, "").map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    }
    let page = Page::open(options.port, sender.clone())?;
    println!("the page of this run: {}", page.address());
    let world = World::new(options.orders, options.part.map(|part| part.means));
    page.show(snapshot(&world));
    let folder = Folder::make(options.keep)?;
    // Before the minute that the service may take to build.
    let own = options.own_server.map(Own::start).transpose()?;
    let built = service(&options);
    if stop.load(Ordering::Relaxed) {
        return Ok(stopped());
    }
    let mut supervisor = Supervisor::new(options, built?, (folder, own), world, page, (sender, events), stop);
    match supervisor.steps() {
        Ok(code) => Ok(ExitCode::from(code)),
        Err(Stopped::Asked) => Ok(stopped()),
        Err(Stopped::Lacks(what)) if supervisor.options.url.is_none() => {
            eprintln!(
                "SQLite has no {what} for several processes here: this run is in one process, without faults and page"
            );
            memory::run(&supervisor.options)
        }
        Err(Stopped::Lacks(what)) => Err(format!("this backend has no {what} for several processes here")),
        Err(Stopped::Failed(problem)) => Err(format!("{problem}\n(nothing was judged)")),
    }
}

fn stopped() -> ExitCode {
    eprintln!("stopped; nothing was judged");
    ExitCode::from(INTERRUPTED)
}

/// A run.
#[derive(Debug)]
pub(super) struct Supervisor {
    options: Options,
    service: PathBuf,
    seed: u64,
    world: World,
    page: Page,
    /// Before all that they write to, so that they are gone when it is removed.
    processes: BTreeMap<Who, Process>,
    place: Place,
    own: Option<Own>,
    folder: Folder,
    sender: Sender<Event>,
    events: Receiver<Event>,
    stop: Arc<AtomicBool>,
    clock: Stopwatch,
    shown: Duration,
    aims: Option<Aims>,
    /// Instances whose end somebody has asked for.
    doomed: BTreeSet<u32>,
    /// Frozen by hand: until when, and the number of the question whether the backend can be written.
    by_hand: BTreeMap<u32, (Duration, u64)>,
    /// To be frozen by hand again, since they kept others from writing: from when on, until when.
    again: BTreeMap<u32, (Duration, Duration)>,
    questions: u64,
    /// When the last instance died or was frozen: its leases live as long as a lease.
    last_fault: Duration,
    /// Instances are to stay dead.
    closing: bool,
    ledger: Option<String>,
    ready: BTreeSet<Who>,
    /// What the backend does not have.
    lacks: Option<String>,
    ordered: Option<Value>,
}

impl Supervisor {
    fn new(
        options: Options,
        service: PathBuf,
        (folder, own): (Folder, Option<Own>),
        mut world: World,
        page: Page,
        (sender, events): (Sender<Event>, Receiver<Event>),
        stop: Arc<AtomicBool>,
    ) -> Self {
        let place = match (&own, &options.url) {
            (Some(own), _) => Place::on_own_server(&own.url()),
            (None, Some(url)) => Place::at(url, options.keep),
            (None, None) => Place::in_folder(&folder),
        };
        world.own = own.as_ref().and_then(Own::shown);
        world.evidence.restarts_needed = own.is_some().into();
        let seed = options.seed.unwrap_or_else(random);
        Self {
            options,
            service,
            seed,
            world,
            page,
            processes: BTreeMap::new(),
            place,
            own,
            folder,
            sender,
            events,
            stop,
            clock: Stopwatch::start(),
            shown: Duration::ZERO,
            aims: None,
            doomed: BTreeSet::new(),
            by_hand: BTreeMap::new(),
            again: BTreeMap::new(),
            questions: 0,
            last_fault: Duration::ZERO,
            closing: false,
            ledger: None,
            ready: BTreeSet::new(),
            lacks: None,
            ordered: None,
        }
    }

    /// Lets things happen until `done`, for at most so long; whether it came to that.
    fn until(&mut self, at_most: Duration, done: impl Fn(&mut Self) -> bool) -> Result<bool, Stopped> {
        let deadline = self.clock.elapsed() + at_most;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Stopped::Asked);
            }
            match self.events.recv_timeout(TICK) {
                Ok(event) => self.handle(event)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("the supervisor keeps a sender"),
            }
            let now = self.look_at_the_clock();
            self.tick()?;
            if now >= self.shown + SHOW {
                self.shown = now;
                self.page.show(snapshot(&self.world));
            }
            if done(self) {
                return Ok(true);
            }
            if now >= deadline {
                return Ok(false);
            }
        }
    }

    /// The time of the run stands still once it is over.
    fn look_at_the_clock(&mut self) -> Duration {
        let now = self.clock.elapsed();
        if self.world.phase != Phase::Over {
            self.world.now = now;
        }
        now
    }

    fn phase(&mut self, phase: Phase) {
        self.world.phase = phase;
        self.look_at_the_clock();
        self.page.show(snapshot(&self.world));
    }

    /// The report: printed, written, shown.
    fn report(&mut self, finishing: Duration) -> Result<u8, Stopped> {
        self.world.phase = Phase::Over;
        let ordered = self.ordered.clone().unwrap_or_default();
        let report =
            Report { options: &self.options, world: &self.world, seed: self.seed, ordered: &ordered, finishing };
        let (text, json, code) = (report.text(), report.json(), report.exit_code());
        let verdict = report.verdict();
        println!("\n{text}");
        self.world.verdict = Some((verdict.is_good(), verdict.to_string()));
        self.world.report = Some(text);
        self.page.show(snapshot(&self.world));
        if let Some(file) = &self.options.json {
            fs::write(file, format!("{json:#}\n"))
                .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
        }
        if self.options.keep {
            println!(
                "\nkept: {}, {} and {}; the page stays at {} until Ctrl-C",
                self.place.kept(),
                self.folder.file("ledger.jsonl"),
                self.folder.file("answers.jsonl"),
                self.page.address()
            );
            match self.until(Duration::MAX / 4, |_| false) {
                Err(Stopped::Asked) | Ok(_) => {}
                Err(failed) => return Err(failed),
            }
        } else {
            self.shown = Duration::MAX / 2;
            self.until(LAST_LOOK, |supervisor| supervisor.page.is_fetched())?;
        }
        Ok(code)
    }
}

/// Where the customers' choices begin, if nobody says.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library's hash tables take their seed from the operating system.
    u64::from(RandomState::new().hash_one(0) as u32)
}

/// Where the report cannot be printed, nobody is there to read it.
impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
