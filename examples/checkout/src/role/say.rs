//! How a role and the supervisor speak.

use std::{
    io::{self, BufRead, Write},
    process, thread,
};

use serde::Serialize;
use tokio::sync::mpsc;

/// Says a line. Where nobody hears it any more, there is nothing left to do.
pub(super) fn say(line: &impl Serialize) {
    let mut text = serde_json::to_vec(line).expect("what is said is JSON");
    text.push(b'\n');
    let mut out = io::stdout().lock();
    if out.write_all(&text).and_then(|()| out.flush()).is_err() {
        process::exit(0);
    }
}

/// The lines that the supervisor says. When there are no more, it is gone, and this process ends at once, as in a crash.
pub(super) fn hear() -> mpsc::UnboundedReceiver<String> {
    die_with_the_supervisor();
    let (heard, lines) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            // Whoever does not listen any more is about to end.
            heard.send(line).ok();
        }
        process::exit(0);
    });
    lines
}

/// A frozen process cannot see that its standard input has ended; the kernel can.
fn die_with_the_supervisor() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        // Where it is refused, the end of the standard input is still heard by whoever is not frozen.
        set_parent_process_death_signal(Some(Signal::KILL)).ok();
    }
}
