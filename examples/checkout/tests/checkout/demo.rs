//! The whole demo, small.

use std::net::{Ipv4Addr, TcpListener};

use checkout::demo::{Ended, Options, Progress, Verdict, run};
use tokio::sync::watch;

fn small() -> Options {
    Options { orders: 200, clients: 16, pace: 500, seed: 7, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_run_finds_nothing_wrong_and_proves_something() {
    let (_stop, stopped) = watch::channel(false);
    let Ended::Report(report) = run(&small(), &Progress::default(), stopped).await.unwrap() else { panic!("stopped") };
    assert_eq!(report.verdict, Verdict::Clean, "{report}");
    assert_eq!(report.exit_code(), 0);
    assert_eq!((report.audit.orders, report.audit.charges), (200, 200), "{report}");
    assert!(report.cache.values().all(|cached| cached.loads == 1), "{report}");
    assert!(report.counts.settlements > 0 && report.counts.job_errors == 0, "{report:?}");
    let text = report.to_string();
    assert!(text.starts_with("200 orders, 200 charges, 0 sold twice\n"), "{text}");
    assert!(text.lines().count() <= 25, "{text}");
    serde_json::to_string(&report).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_orders_prove_nothing() {
    let (_stop, stopped) = watch::channel(false);
    let options = Options { orders: 2, clients: 1, ..small() };
    let Ended::Report(report) = run(&options, &Progress::default(), stopped).await.unwrap() else { panic!("stopped") };
    let Verdict::ProvedNothing(few) = &report.verdict else { panic!("{report}") };
    assert!(few.contains("overlapping repeats") && few.contains("conflicts"), "{few}");
    assert_eq!(report.exit_code(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_when_it_is_told_to() {
    let (stop, stopped) = watch::channel(false);
    let progress = Progress::default();
    let run = tokio::spawn({
        let progress = progress.clone();
        async move { run(&Options { orders: 100_000, ..small() }, &progress, stopped).await }
    });
    while progress.done() < 5 {
        tokio::task::yield_now().await;
    }
    stop.send_replace(true);
    assert!(matches!(run.await.unwrap().unwrap(), Ended::Stopped(5..1000)));
}

#[tokio::test]
async fn a_port_that_cannot_be_had_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let (_stop, stopped) = watch::channel(false);
    // Where the taken one is the last port there is, the second instance would have none; `parse` refuses that.
    let options = Options { port: Some(port), instances: 1, ..small() };
    let why = run(&options, &Progress::default(), stopped).await.unwrap_err();
    assert!(why.starts_with(&format!("port {port} of 127.0.0.1 cannot be had: ")), "{why}");
}
