//! The demo on processes over one SQLite file, as `cargo xtask demo` runs it, with a shorter lease so that it takes seconds: a
//! clean run finds nothing wrong, and each part that is broken on purpose is noticed, ten times of ten. With the feature `redis`
//! (`--all-features`) on Redis as well.

#![allow(clippy::unwrap_used, reason = "tests")]
#![cfg(unix)]

#[cfg(feature = "redis")]
mod redis;
#[cfg(target_os = "linux")]
mod terminal;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
    thread,
};

use concurrency_core::Version;
use serde_json::Value;

/// How often each part is broken.
const RUNS: usize = 10;

/// One test at a time: a run is judged by what happens in time, too, and its processes want a processor.
static TURN: Mutex<()> = Mutex::new(());

/// The supervisor, built once.
fn supervisor() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let status = build.args(["build", "--quiet", "--package", "xtask"]).stdin(Stdio::null()).status();
        assert!(status.unwrap().success(), "the supervisor could not be built");
        Path::new(env!("CARGO_BIN_EXE_checkout")).with_file_name("xtask")
    })
}

/// A fresh folder.
fn scratch() -> PathBuf {
    let folder = env::temp_dir().join(format!("faults-{}", Version::mint()));
    fs::create_dir(&folder).unwrap();
    folder
}

/// A run of the demo, and its report.
struct Run {
    output: Output,
    report: Value,
}

impl Run {
    /// Over a file of its own.
    fn of(arguments: &[&str]) -> Self {
        let folder = scratch();
        let url = format!("sqlite:{}", folder.join("shop.db").display());
        let run = Self::at(&url, arguments);
        fs::remove_dir_all(&folder).unwrap();
        run
    }

    fn at(url: &str, arguments: &[&str]) -> Self {
        Self::on(["--url", url], arguments)
    }

    fn on(backend: [&str; 2], arguments: &[&str]) -> Self {
        let folder = scratch();
        let json = folder.join("report.json");
        let mut demo = Command::new(supervisor());
        demo.args(["demo", "--service", env!("CARGO_BIN_EXE_checkout"), "--lease-ms", "500", "--json"]).arg(&json);
        let output = demo.args(backend).args(arguments).env("TMPDIR", &folder).output().unwrap();
        // Empty where the run did not come to a report.
        let report = fs::read(&json).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        let left: Vec<_> = fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
        fs::remove_dir_all(&folder).unwrap();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("concurrency-")), "{left:?}");
        Self { output, report }
    }

    fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// The findings that are not content.
    fn wrong(&self) -> Vec<&str> {
        let findings = self.report["findings"].as_array().into_iter().flatten();
        let wrong = findings.filter(|finding| finding["wrong"].as_array().is_some_and(|wrong| !wrong.is_empty()));
        wrong.filter_map(|finding| finding["what"].as_str()).collect()
    }

    /// Everything, for whoever wants to know why.
    fn told(&self) -> String {
        let [out, err] = [&self.output.stdout, &self.output.stderr].map(|text| String::from_utf8_lossy(text));
        format!("{:?}\n{err}\n{out}", self.code())
    }
}

/// Whether SQLite has all that several processes need on this system.
fn is_whole() -> bool {
    let folder = scratch();
    let url = format!("sqlite:{}", folder.join("shop.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let capabilities = runtime.block_on(async { concurrency::connect(&url).await.unwrap().capabilities() });
    drop(runtime);
    fs::remove_dir_all(&folder).unwrap();
    capabilities.lock.is_some() && capabilities.cache.is_some() && capabilities.events.is_some()
}

/// What a run says where it is not.
fn is_refused(run: &Run) {
    assert_eq!(run.code(), Some(2), "{}", run.told());
    assert!(run.told().contains("for several processes here"), "{}", run.told());
}

#[test]
fn a_run_with_kills_and_freezes_finds_nothing_wrong() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let run = Run::of(&["--orders", "600", "--pace", "100"]);
    if !is_whole() {
        return is_refused(&run);
    }
    assert_eq!(run.code(), Some(0), "{}", run.told());
    assert_eq!(run.report["verdict"], "clean");
    assert_eq!((run.report["orders"].as_u64(), run.report["charges"].as_u64()), (Some(600), Some(600)));
    let text = String::from_utf8(run.output.stdout.clone()).unwrap();
    let report = text.split_once("\n\n").unwrap().1;
    assert!(text.starts_with("the page of this run: http://127.0.0.1:"), "{text}");
    assert!(report.starts_with("600 orders, 600 charges, 0 sold twice\n"), "{text}");
    assert!(report.lines().count() <= 25 && text.trim_end().ends_with("--break fence"), "{text}");
    // Begun at 100 a second, and not as fast as they can be answered.
    assert!(run.report["customers"]["seconds"].as_f64() >= Some(5.9), "{}", run.told());
    let evidence = &run.report["evidence"];
    for what in ["kills_between_charge_and_save", "late_charges_refused", "projections_taken_over"] {
        assert!(evidence[what].as_u64() >= Some(1), "{what}: {}", run.told());
    }
    // The ledger's file tells the same story as the supervisor.
    assert!(evidence["late_charges_refused_in_the_ledgers_file"].as_u64() >= evidence["late_charges_refused"].as_u64());
    let found = evidence["charges_found_by_a_later_holder"].as_u64();
    assert!(found >= evidence["kills_between_charge_and_save"].as_u64(), "{}", run.told());
}

#[test]
fn a_run_without_faults_proves_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let run = Run::of(&["--orders", "3", "--pace", "1000", "--clients", "1"]);
    if !is_whole() {
        return is_refused(&run);
    }
    assert_eq!((run.code(), &run.report["verdict"]), (Some(2), &Value::from("proved_nothing")), "{}", run.told());
    assert!(run.told().contains("\nproved nothing: "), "{}", run.told());
}

#[test]
fn whatever_is_broken_is_noticed_ten_times_of_ten() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_whole() {
        return is_refused(&Run::of(&["--orders", "200", "--break", "lock"]));
    }
    let parts = [("lock", "lock"), ("stock", "stock"), ("events", "projection"), ("fence", "fence")];
    thread::scope(|scope| {
        for (part, line) in parts {
            scope.spawn(move || {
                for number in 0..RUNS {
                    let run = Run::of(&["--orders", "200", "--pace", "60", "--break", part]);
                    assert_eq!(run.code(), Some(1), "--break {part}, run {number}: {}", run.told());
                    assert!(run.wrong().contains(&line), "--break {part}, run {number}: {}", run.told());
                    assert!(run.told().contains(&format!("\n{line:<11} WRONG: ")), "{}", run.told());
                }
            });
        }
    });
}
