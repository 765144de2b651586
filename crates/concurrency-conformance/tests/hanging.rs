//! What becomes of a case that never ends.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use concurrency_conformance::{Case, Component, Context, Harness, Level, Running, Verdict};
use concurrency_core::{Lock, Memory};

/// How many cases were stopped.
static STOPPED: AtomicUsize = AtomicUsize::new(0);
/// Those that cannot be stopped may end.
static GO_ON: AtomicBool = AtomicBool::new(false);

struct CountsItsEnd;

impl Drop for CountsItsEnd {
    fn drop(&mut self) {
        STOPPED.fetch_add(1, Ordering::SeqCst);
    }
}

fn run(level: Level, run: fn(Context<dyn Lock>) -> Running) -> Verdict {
    let case = Case::<dyn Lock> { name: "hangs", group: "hanging", level, sentences: &["L-38"], needs: |_| true, run };
    let memory = Memory::new();
    let harness = Harness::component(move |namespace| <dyn Lock>::of(&memory, namespace));
    harness.with_virtual_time().with_patience(Duration::from_millis(200)).run(&case, 1)
}

fn failure(verdict: Verdict) -> String {
    match verdict {
        Verdict::Failed(why) => why,
        other => panic!("{other:?}"),
    }
}

fn waits(_: Context<dyn Lock>) -> Running {
    Box::pin(async {
        let _end = CountsItsEnd;
        std::future::pending::<()>().await;
    })
}

fn runs_in_a_circle(_: Context<dyn Lock>) -> Running {
    Box::pin(async {
        let _end = CountsItsEnd;
        loop {
            tokio::task::yield_now().await;
        }
    })
}

fn leaves_a_task_in_a_circle(_: Context<dyn Lock>) -> Running {
    Box::pin(async {
        let task = tokio::spawn(async {
            let _end = CountsItsEnd;
            loop {
                tokio::task::yield_now().await;
            }
        });
        task.await.expect("it never ends");
    })
}

fn blocks(_: Context<dyn Lock>) -> Running {
    Box::pin(async {
        while !GO_ON.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    })
}

fn passes(_: Context<dyn Lock>) -> Running {
    Box::pin(async {})
}

/// One test, since what cannot be stopped is counted for the whole process.
#[test]
fn what_hangs_is_stopped_and_what_cannot_be_stopped_is_counted() {
    assert_eq!(failure(run(Level::Sentences, waits)), "hangs: everybody waits, and for nothing");
    assert_eq!(failure(run(Level::Races, waits)), "hangs: no end within 200ms", "by real time");
    for (level, circle) in [
        (Level::Sentences, runs_in_a_circle as fn(_) -> _),
        (Level::Races, runs_in_a_circle),
        (Level::Races, leaves_a_task_in_a_circle),
    ] {
        assert_eq!(failure(run(level, circle)), "hangs: no end within 200ms");
    }
    assert_eq!(STOPPED.load(Ordering::SeqCst), 5, "nothing of them goes on");

    for _ in 0..4 {
        assert_eq!(failure(run(Level::Races, blocks)), "hangs: no end within 200ms, and cannot be stopped");
    }
    let refused = failure(run(Level::Races, passes));
    assert!(refused.starts_with("not run: 4 cases"), "{refused}");
    GO_ON.store(true, Ordering::SeqCst);
    let mut tries = 0;
    while run(Level::Races, passes) != Verdict::Passed {
        tries += 1;
        assert!(tries < 1_000, "they have ended, so that cases are run again");
        std::thread::sleep(Duration::from_millis(5));
    }
}
