//! What a file holds, compared with what it should.

use std::path::Path;

use concurrency_core::{AppendOptions, Backend, EventStore, Lock, Position, ReadQuery, Recorded, StateStore};
use concurrency_sqlite::{
    Sqlite, SqliteConfig, SqliteEvents, SqliteState,
    rusqlite::{Connection, OptionalExtension},
};

use crate::{
    victim::Said,
    work::{Kind, NAMESPACE, Step, TASKS, keys_of, stream},
};

/// Opens the file, as a program does that starts after the power is back, and finds for each task the last step that is there.
/// Each task's steps up to that one are there, whole, and nothing of any later one.
///
/// # Errors
/// What is wrong: something acknowledged is missing, or something is there in part.
pub(crate) async fn audit(path: &Path, said: Said) -> Result<[u64; TASKS], String> {
    let told = |error: concurrency_core::Error| format!("the file cannot be used: {error}");
    let sqlite = Sqlite::connect(SqliteConfig::new(path).create(false)).await.map_err(told)?;
    let found = Found {
        state: sqlite.state_store(NAMESPACE).map_err(told)?,
        events: sqlite.event_store(NAMESPACE).map_err(told)?,
        lock: sqlite.capabilities().lock.and_then(|_| Backend::lock(&sqlite, NAMESPACE).ok()),
        theirs: Connection::open(path).map_err(|error| error.to_string())?,
    };
    found.check_file()?;
    let mut last = [0; TASKS];
    for (task, last) in last.iter_mut().enumerate() {
        let (least, most) = (said.done[task], said.begun[task]);
        *last = found.task(task, least, most).await.map_err(|wrong| {
            format!("task {task}, whose step {least} was acknowledged and step {most} begun: {wrong}")
        })?;
    }
    found.check_order(last).await?;
    found.repeat(said, last).await?;
    sqlite.close().await;
    Ok(last)
}

struct Found {
    state: std::sync::Arc<SqliteState>,
    events: std::sync::Arc<SqliteEvents>,
    lock: Option<std::sync::Arc<dyn Lock>>,
    theirs: Connection,
}

/// All events of this task up to this step, in order.
fn events_until(task: usize, last: u64) -> Vec<(String, Vec<u8>)> {
    let steps = (1..=last).map(|number| Step { task, number });
    steps.flat_map(Step::events).map(|event| (event.event_type, event.data.to_vec())).collect()
}

impl Found {
    fn check_file(&self) -> Result<(), String> {
        let check = self.theirs.query_row("PRAGMA integrity_check", (), |row| row.get::<_, String>(0));
        match check.map_err(|error| error.to_string())?.as_str() {
            "ok" => Ok(()),
            wrong => Err(format!("the file is damaged: {wrong}")),
        }
    }

    /// The last step of a task that is there: one of those from `least` to `most`.
    async fn task(&self, task: usize, least: u64, most: u64) -> Result<u64, String> {
        let stored = self.stream(task).await?;
        let mut why = Vec::new();
        // From the last one, so that a step which leaves nothing to be seen counts as there.
        for last in (least..=most).rev() {
            match self.is_after(task, last, most, &stored).await {
                Ok(()) => return Ok(last),
                Err(wrong) => why.push(format!("it is not as after step {last}: {wrong}")),
            }
        }
        Err(why.join("; "))
    }

    async fn stream(&self, task: usize) -> Result<Vec<Recorded>, String> {
        let (mut all, name) = (Vec::new(), stream(task));
        loop {
            let from = all.len() as u64 + 1;
            let slice = self.events.read(&name, ReadQuery::forwards(from).limit(1000)).await;
            let slice = slice.map_err(|error| error.to_string())?;
            if slice.events.is_empty() {
                return if slice.last == all.len() as u64 {
                    Ok(all)
                } else {
                    Err(format!("it ends at {}", slice.last))
                };
            }
            all.extend(slice.events);
        }
    }

    async fn is_after(&self, task: usize, last: u64, most: u64, stored: &[Recorded]) -> Result<(), String> {
        let wanted = events_until(task, last);
        if stored.len() != wanted.len() {
            return Err(format!("{} events instead of {}", stored.len(), wanted.len()));
        }
        for (n, (event, (event_type, data))) in stored.iter().zip(&wanted).enumerate() {
            if event.version != n as u64 + 1 || *event.event_type != **event_type || event.data != *data {
                return Err(format!("event {} is another one: {event:?}", n + 1));
            }
        }
        for kind in [Kind::Commit, Kind::Together] {
            let step = (1..=last).rev().map(|number| Step { task, number }).find(|step| step.kind() == kind);
            for (part, key) in (0..).zip(keys_of(kind, task)) {
                let stored = self.state.load(&key).await.map_err(|error| error.to_string())?;
                if stored.map(|state| state.value.to_vec()) != step.map(|step| step.body(part)) {
                    return Err(format!("the state {key:?} is not that of {step:?}"));
                }
            }
        }
        self.rows_are_after(task, last)?;
        for step in (last.saturating_sub(8)..=most).map(|number| Step { task, number }) {
            self.grant_is_after(step, last).await?;
        }
        Ok(())
    }

    /// The caller's own rows.
    fn rows_are_after(&self, task: usize, last: u64) -> Result<(), String> {
        let wrong = |error: concurrency_sqlite::rusqlite::Error| error.to_string();
        let mut rows =
            self.theirs.prepare_cached("SELECT step FROM theirs WHERE task = ?1 ORDER BY step").map_err(wrong)?;
        let rows: Result<Vec<u64>, _> = rows.query_map([task], |row| row.get(0)).map_err(wrong)?.collect();
        let steps = (1..=last).map(|number| Step { task, number }).filter(|step| step.kind() == Kind::Together);
        let steps: Vec<_> = steps.collect();
        if rows.map_err(wrong)? != steps.iter().map(|step| step.number).collect::<Vec<_>>() {
            return Err("other rows of the caller's own".to_owned());
        }
        let Some(step) = steps.last() else { return Ok(()) };
        let body = "SELECT body FROM theirs WHERE task = ?1 AND step = ?2";
        let body = self.theirs.query_row(body, (task, step.number), |row| row.get::<_, Vec<u8>>(0)).optional();
        if body.map_err(wrong)? == Some(step.body(20)) {
            Ok(())
        } else {
            Err("another row of the caller's own".to_owned())
        }
    }

    /// A lock that was granted excludes others; the next one, which was not, does not.
    async fn grant_is_after(&self, step: Step, last: u64) -> Result<(), String> {
        let Some(lock) = self.lock.as_ref().filter(|_| step.number > 0 && step.kind() == Kind::Grant) else {
            return Ok(());
        };
        let held = lock.holder(&step.lock()).await.map_err(|error| error.to_string())?.is_some();
        if held == (step.number <= last) {
            Ok(())
        } else {
            Err(format!("the lock of step {} is held: {held}", step.number))
        }
    }

    /// The global order holds each event once.
    async fn check_order(&self, last: [u64; TASKS]) -> Result<(), String> {
        let (mut count, mut after) = (0, Position::START);
        loop {
            let batch = self.events.read_all(after, 1000).await.map_err(|error| error.to_string())?;
            if batch.events.is_empty() {
                break;
            }
            if !batch.events.is_sorted_by(|a, b| a.position < b.position) || batch.events[0].position <= after {
                return Err("positions do not rise".to_owned());
            }
            count += batch.events.len();
            after = batch.next;
        }
        let wanted: usize = (0..TASKS).map(|task| events_until(task, last[task]).len()).sum();
        if count == wanted { Ok(()) } else { Err(format!("{count} events in the global order instead of {wanted}")) }
    }

    /// Whoever did not hear whether an append happened appends again under the same id: its events are stored once.
    async fn repeat(&self, said: Said, last: [u64; TASKS]) -> Result<(), String> {
        for (task, number) in said.begun.into_iter().enumerate() {
            let step = Step { task, number };
            // An image may lack steps before the one that was begun last.
            if number == 0 || step.kind() != Kind::Append || last[task] + 1 < number {
                continue;
            }
            let options = AppendOptions::new().with_append_id(step.append_id());
            let again = self.events.append(&stream(task), step.events(), options).await;
            let last = again.map_err(|error| format!("an append again: {error}"))?.last;
            let wanted = events_until(task, number).len() as u64;
            if last != wanted || self.stream(task).await?.len() as u64 != wanted {
                return Err(format!("step {number} of task {task}, appended again, leads to version {last}"));
            }
        }
        Ok(())
    }
}
