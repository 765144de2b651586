//! The process that writes until it is killed. It says each step before and after it: `begun TASK STEP`, `done TASK STEP`.

use std::{fmt::Display, io::Write, path::Path, process::exit, sync::Arc, time::Duration};

use concurrency_core::{
    AppendOptions, Backend, Claim, EventStore, Lock, Save, SaveOptions, StateStore, StateTransaction, Write as Change,
};
use concurrency_sqlite::{Sqlite, SqliteConfig, SqliteEvents, SqliteState, rusqlite::Connection, sql_error};

use crate::work::{Kind, NAMESPACE, Step, TASKS, THEIR_TABLE, stream};

/// The TTL of locks: they outlive the test.
const TTL: Duration = Duration::from_secs(3600);

/// Writes on from the steps that are done.
pub(crate) fn run(path: &Path, done: [u64; TASKS]) {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        // A stopped process does not notice that nobody reads what it says.
        set_parent_process_death_signal(Some(Signal::KILL)).expect("it is a good signal");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let writer = Writer::open(path).await;
        checkpoint(path.to_owned());
        let tasks = (0..TASKS).map(|task| tokio::spawn(Arc::clone(&writer).write(task, done[task])));
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("it writes for ever");
        }
    });
}

struct Writer {
    sqlite: Sqlite,
    state: Arc<SqliteState>,
    events: Arc<SqliteEvents>,
    lock: Option<Arc<dyn Lock>>,
}

impl Writer {
    async fn open(path: &Path) -> Arc<Self> {
        // A disk that others keep busy may take seconds to synchronise.
        let config = SqliteConfig::new(path).operation_timeout(Duration::from_secs(20));
        let sqlite = told(Sqlite::connect(config).await);
        let (state, events) = (told(sqlite.state_store(NAMESPACE)), told(sqlite.event_store(NAMESPACE)));
        let lock = sqlite.capabilities().lock.map(|_| told(Backend::lock(&sqlite, NAMESPACE)));
        told(sqlite.transaction(async |own| own.sql().execute_batch(THEIR_TABLE).map_err(sql_error)).await);
        Arc::new(Self { sqlite, state, events, lock })
    }

    async fn write(self: Arc<Self>, task: usize, done: u64) {
        for number in done + 1.. {
            let step = Step { task, number };
            say("begun", step);
            match step.kind() {
                Kind::Commit => self.commit(step).await,
                Kind::Append => self.append(step).await,
                Kind::Together => self.together(step).await,
                Kind::Grant => self.grant(step).await,
            }
            say("done", step);
        }
    }

    async fn commit(&self, step: Step) {
        let save =
            |(part, key): (u64, String)| Save { key, value: step.body(part).into(), options: SaveOptions::new() };
        let saves = (0..).zip(step.keys()).map(save).map(Change::Save).collect();
        told(self.state.commit(saves).await);
    }

    async fn append(&self, step: Step) {
        let options = AppendOptions::new().with_append_id(step.append_id());
        told(self.events.append(&stream(step.task), step.events(), options).await);
    }

    async fn together(&self, step: Step) {
        let (state, events) = (Arc::clone(&self.state), Arc::clone(&self.events));
        let work = async move |own: &mut concurrency_sqlite::SqliteTransaction<'_>| {
            let row = (step.task, step.number, step.body(20));
            own.sql().execute("INSERT INTO theirs VALUES (?1, ?2, ?3)", row).map_err(sql_error)?;
            own.events(&events)?.append(&stream(step.task), step.events(), AppendOptions::new()).await?;
            own.state(&state)?.save(&step.keys()[0], step.body(0).into(), SaveOptions::new()).await
        };
        told(self.sqlite.transaction(work).await);
    }

    /// Nothing where the system has no locks.
    async fn grant(&self, step: Step) {
        let Some(lock) = &self.lock else { return };
        let granted = told(lock.try_acquire(&told(Claim::new(&step.lock(), TTL))).await);
        if granted.is_none() {
            give_up("a lock that nobody asked for before is taken");
        }
    }
}

/// Any program that has the file open may bring the log into it, at any time.
fn checkpoint(path: std::path::PathBuf) {
    std::thread::spawn(move || {
        let connection = told(Connection::open(path));
        for pause in [5, 40, 15, 60].into_iter().cycle() {
            std::thread::sleep(Duration::from_millis(pause));
            told(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(())));
        }
    });
}

fn say(what: &str, step: Step) {
    let line = format!("{what} {} {}\n", step.task, step.number);
    let said = std::io::stdout().lock().write_all(line.as_bytes());
    if said.is_err() {
        exit(0); // Nobody listens any more.
    }
}

fn told<T, E: Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| give_up(error))
}

fn give_up(why: impl Display) -> ! {
    eprintln!("the writing process: {why}");
    exit(3)
}
