//! What is left where the power goes: a writing process is killed 200 times in the middle of its work, and its file and log are
//! copied at random moments and damaged as a loss of power would. Each time everything that was acknowledged is there, and what was
//! not is there whole or not at all.
//!
//! `cargo test -p concurrency-sqlite --test power_loss` takes less than a minute, prints what it has done, and fails where that
//! proves nothing. `CONCURRENCY_SEED` chooses the moments; the operating system does, too, so that no run is like another.

#[cfg(unix)]
mod audit;
#[cfg(unix)]
mod child;
#[cfg(unix)]
mod image;
#[cfg(unix)]
mod run;
#[cfg(unix)]
mod victim;
#[cfg(unix)]
mod work;

/// The first argument of the writing process: then its file, and the steps that are done.
#[cfg(unix)]
const CHILD: &str = "writes-until-it-is-killed";

#[cfg(unix)]
fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [CHILD, path, done @ ..] = &*arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        let done: Vec<u64> = done.iter().map(|step| step.parse().expect("a number")).collect();
        return child::run(path.as_ref(), done.try_into().expect("one for each task"));
    }
    if arguments.iter().any(|argument| argument == "--list") {
        println!("power_loss: test");
        return;
    }
    // As other tests: names of tests that are wanted.
    let mut names = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
    let wanted = names.peek().is_none() || names.any(|name| "power_loss".contains(&**name));
    let begun = concurrency_core::clock::BootInstant::now();
    if wanted {
        run::run();
    }
    println!(
        "test result: ok. {} passed; 0 failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s",
        u8::from(wanted),
        u8::from(!wanted),
        concurrency_core::clock::BootInstant::now().since(begun).as_secs_f64()
    );
}

/// There are no such signals elsewhere.
#[cfg(not(unix))]
fn main() {}
