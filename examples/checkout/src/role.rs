//! The programs of the demo on several processes, one for each role. The supervisor, `cargo xtask demo`, starts them, reads
//! what they say, a JSON object a line on the standard output, and tells them what to do, a line each on the standard input.
//! Each ends when its standard input does, so that none outlives the supervisor.

mod arguments;
mod audit;
mod clients;
mod instance;
mod ledger;
mod open;
mod say;
mod watch;

use std::{ffi::OsString, process::ExitCode, sync::Arc};

use concurrency::Backend;
use tokio::runtime;

pub use self::arguments::Arguments;

/// The roles, in words.
pub const HELP: &str = "\
checkout memory [options]     the demo in one process on memory; --help lists its options
checkout ledger   --file FILE [--break fence]
checkout open     --url URL --orders N
checkout instance --url URL --ledger ADDRESS --number N [--port N] [--lease-ms N] [--break lock|stock|events]
checkout watch    --url URL --ledger ADDRESS
checkout clients  --addresses ADDRESS,.. --answers FILE --orders N --pace N --clients N --seed N --patience-ms N
checkout audit    --url URL --ledger FILE --answers FILE

All but the first are started by `cargo xtask demo`, speak JSON lines, and end when their standard input does.
";

/// Plays a role; `None` where there is none of that name.
///
/// # Errors
/// In words, for people: wrong arguments, a file or port that cannot be had, a backend that does not answer.
pub fn play(role: &str, rest: impl Iterator<Item = OsString>) -> Option<Result<ExitCode, String>> {
    type Played = Result<(), String>;
    fn run<F: Future<Output = Played>>(part: impl FnOnce(Arguments) -> F, arguments: Arguments) -> Played {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|why| format!("no runtime: {why}"))?;
        let played = runtime.block_on(part(arguments));
        // What is still asleep or under way dies with the process.
        runtime.shutdown_background();
        played
    }
    let arguments = match Arguments::parse(rest) {
        Ok(arguments) => arguments,
        Err(why) => return Some(Err(why)),
    };
    let played = match role {
        "ledger" => run(ledger::play, arguments),
        "open" => run(open::play, arguments),
        "instance" => run(instance::play, arguments),
        "watch" => run(watch::play, arguments),
        "clients" => run(clients::play, arguments),
        "audit" => run(audit::play, arguments),
        _ => return None,
    };
    Some(played.map(|()| ExitCode::SUCCESS))
}

/// The backend that all processes of a run share.
async fn connect(arguments: &Arguments) -> Result<Arc<dyn Backend>, String> {
    // The error says which option or file is wrong; the URL may carry a password.
    let connected = concurrency::connect(arguments.text("url")?).await;
    connected.map_err(|why| format!("the backend cannot be opened: {why}"))
}
