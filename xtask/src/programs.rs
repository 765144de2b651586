//! Starting cargo and its friends.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::Problem;

/// The folder of the workspace, whatever folder the task was called from.
pub(crate) fn root() -> PathBuf {
    // Set by `cargo run` to the folder of this package; at compile time as well, for those who start the program by hand.
    let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.parent().map_or_else(|| package.clone(), Path::to_path_buf)
}

/// The cargo that started this program, in the folder of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The program `suite`, freshly built.
///
/// Built as a by-product of its own test, with the features of the whole workspace: so it shares what is compiled with
/// `cargo test --workspace`, where `cargo run --package suite` would compile tokio and all above it a second time.
pub(crate) fn suite(release: bool) -> Result<Command, Problem> {
    let mut build = cargo();
    build.args(["test", "--quiet", "--workspace", "--all-features", "--no-run", "--test", "program"]);
    if release {
        build.arg("--release");
    }
    let built = build.stdin(Stdio::null()).stdout(Stdio::null()).status();
    if !built.map_err(|error| format!("cargo cannot be started: {error}"))?.success() {
        return Err("the suite could not be built".to_owned());
    }
    // It stands beside this program, which cargo has built, too.
    let this = env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let profiles = this.parent().and_then(Path::parent).ok_or("this program stands in no folder of cargo's")?;
    let profile = if release { "release" } else { "debug" };
    Ok(Command::new(profiles.join(profile).join(format!("suite{}", env::consts::EXE_SUFFIX))))
}

/// Whether `cargo <subcommand>` is installed.
pub(crate) fn has(subcommand: &str) -> bool {
    let mut command = cargo();
    command.args([subcommand, "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
