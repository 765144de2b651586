//! The checkout: `checkout memory` is the demo in one process, the other roles are the processes of `cargo xtask demo`.

use std::{env, ffi::OsString, fs, process::ExitCode};

use checkout::{
    demo::{self, Ended, HELP, Options, Progress, Report},
    role,
};
use tokio::{runtime, sync::watch};

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let role = arguments.next().unwrap_or_default().to_string_lossy().into_owned();
    if role == "memory" {
        return memory(arguments);
    }
    match role::play(&role, arguments) {
        Some(Ok(code)) => code,
        Some(Err(why)) => {
            eprintln!("{role}: {why}");
            ExitCode::from(2)
        }
        None => {
            eprint!("{}", role::HELP);
            ExitCode::from(2)
        }
    }
}

fn memory(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let options = match Options::parse(arguments) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(why) => return problem(&why, "`--help` lists the arguments"),
    };
    let runtime = match runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => return problem(&format!("no runtime: {why}"), "the system is short of threads or files"),
    };
    match runtime.block_on(run(&options)) {
        Ok(Ended::Report(report)) => finish(&options, &report),
        Ok(Ended::Stopped(after)) => {
            eprintln!("stopped after {after} orders; nothing was judged");
            ExitCode::from(INTERRUPTED)
        }
        Err(why) => problem(&why, "nothing was judged"),
    }
}

async fn run(options: &Options) -> Result<Ended, String> {
    let (stop, stopped) = watch::channel(false);
    // A handler that cannot be had leaves Ctrl-C to end the program at once.
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.send_replace(true);
        }
        std::future::pending::<()>().await;
    });
    demo::run(options, &Progress::default(), stopped).await
}

fn finish(options: &Options, report: &Report) -> ExitCode {
    println!("{report}");
    if let Some(file) = &options.json {
        let json = serde_json::to_vec_pretty(report).expect("a report is JSON");
        if let Err(why) = fs::write(file, json) {
            return problem(&format!("{} cannot be written: {why}", file.display()), "the report above stands");
        }
    }
    ExitCode::from(report.exit_code())
}

fn problem(why: &str, hint: &str) -> ExitCode {
    eprintln!("demo: {why}\n({hint})");
    ExitCode::from(2)
}
