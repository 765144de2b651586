//! Other processes: this program again, with one of the roles below.

use std::{
    env, fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use concurrency_core::{Backend, Error, SaveOptions, StateStore, TypedState};
use concurrency_sqlite::{Sqlite, SqliteConfig, rusqlite::Connection};

use super::{cache, full, is_unavailable, load, open, place, save};

const ROLE: &str = "CONCURRENCY_SQLITE_ROLE";
const FILE: &str = "CONCURRENCY_SQLITE_FILE";

/// This program, to be started in a role.
fn this() -> Command {
    Command::new(env::current_exe().expect("this program stands somewhere"))
}

fn in_role<'c>(command: &'c mut Command, role: &str, path: &Path) -> &'c mut Command {
    command.args(["--exact", "processes::a_role_of_another_test", "--nocapture"]).env(ROLE, role).env(FILE, path)
}

/// Runs the role to its end, started by another program: `command` gets this one as its last arguments.
pub(super) fn child_by(mut command: Command, role: &str, path: &Path) -> Result<(), String> {
    command.arg(env::current_exe().expect("this program stands somewhere"));
    let output = in_role(&mut command, role, path).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}

/// This program in a role, to be killed.
pub(super) fn spawn(role: &str, path: &Path, stdout: Stdio) -> Child {
    in_role(&mut this(), role, path).stdout(stdout).spawn().expect("this program starts")
}

/// All that a process said.
fn said(output: &Output) -> String {
    [&*output.stdout, &output.stderr].map(String::from_utf8_lossy).concat()
}

#[test]
fn a_role_of_another_test() {
    let (Ok(role), Some(path)) = (env::var(ROLE), env::var_os(FILE)) else { return };
    let path = Path::new(&path);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match &*role {
            "full" => full::child(path).await,
            "cache" => cache::child(path).await,
            "reserve" => cache::reserve(path).await,
            "count" => count(path).await,
            "refused" => refused(path).await,
            other => panic!("no role {other}"),
        }
    });
}

const PROCESSES: u32 = 10;
const TIMES: u32 = 20;

/// Opens the file, whoever else does, and counts.
async fn count(path: &Path) {
    let sqlite = open(path).await.expect("it opens");
    let counts =
        TypedState::<u32>::new(sqlite.state_store("test").expect("it is open")).with_deadline(Duration::from_secs(30));
    for _ in 0..TIMES {
        counts.update("count", |n| n.unwrap_or(0) + 1).await.expect("it counts");
    }
    sqlite.close().await;
}

#[tokio::test]
async fn ten_processes_open_a_new_file_at_once_and_lose_nothing() {
    let (_folder, path) = place();
    let start = |_| spawn("count", &path, Stdio::null());
    let children: Vec<_> = (0..PROCESSES).map(start).collect();
    // All of them end before any is judged, and before the folder goes.
    let ends: Vec<_> = children.into_iter().map(|mut child| child.wait().unwrap()).collect();
    assert!(ends.iter().all(|end| end.success()), "{ends:?}");
    let sqlite = open(&path).await.unwrap();
    let counts = TypedState::<u32>::new(sqlite.state_store("test").unwrap());
    assert_eq!(counts.load("count").await.unwrap().unwrap().value, PROCESSES * TIMES);
}

/// As a user without rights: expects what the file's name says.
async fn refused(path: &Path) {
    let opened = open(path).await;
    match path.file_name().and_then(|name| name.to_str()) {
        Some("readonly.db") => assert!(is_unavailable(&opened), "{opened:?}"),
        // No log can be created beside the second.
        Some("secret.db" | "alone.db") => assert!(matches!(opened, Err(Error::Unauthorized { .. })), "{opened:?}"),
        other => panic!("no such file: {other:?}"),
    }
}

#[cfg(unix)]
#[tokio::test]
async fn files_without_the_right_to_write_or_to_read_are_refused() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};

    let (folder, _) = place();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let sealed = folder.path().join("sealed");
    fs::create_dir(&sealed).unwrap();
    let files = [
        (folder.path().join("readonly.db"), 0o444),
        (folder.path().join("secret.db"), 0o000),
        (sealed.join("alone.db"), 0o666),
    ];
    for (path, bits) in &files {
        let sqlite = open(path).await.unwrap();
        save(&sqlite, "k", "v").await.unwrap();
        sqlite.close().await;
        mode(path, *bits);
    }
    mode(&sealed, 0o555);
    // A superuser has every right: let somebody else try. The program may stand where only the superuser can go.
    let program = folder.path().join("program");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    mode(&program, 0o755);
    mode(folder.path(), 0o777);
    let is_superuser = fs::read(folder.path().join("secret.db")).is_ok();
    for (path, _) in &files {
        let mut command = Command::new(&program);
        if is_superuser {
            command.uid(65534).gid(65534);
        }
        let output = in_role(&mut command, "refused", path).current_dir("/").output().unwrap();
        assert!(output.status.success(), "{}: {}", path.display(), said(&output));
        mode(path, 0o644);
    }
    mode(&sealed, 0o755);
    for (path, _) in &files {
        assert_eq!(load(&open(path).await.unwrap(), "k").await.unwrap().unwrap(), "v");
    }
}

#[tokio::test]
async fn what_one_client_holds_another_waits_for() {
    let (_folder, path) = place();
    let sqlite = Sqlite::connect(SqliteConfig::new(&path)).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let store = sqlite.state_store("test").unwrap();
    let saving = tokio::spawn(async move { store.save("k", "v".into(), SaveOptions::new()).await });
    // Reads do not wait.
    assert!(load(&sqlite, "k").await.unwrap().is_none());
    other.execute_batch("ROLLBACK").unwrap();
    saving.await.unwrap().unwrap();
    assert_eq!(load(&sqlite, "k").await.unwrap().unwrap(), "v");
}
