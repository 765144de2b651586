//! Processes of a figure: this program again, told what to do, and what they say.

use std::{
    env,
    ffi::OsStr,
    fmt::Display,
    io::{self, BufRead, BufReader, Lines, Write, stdin},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::{processes, size};

/// The argument by which a process knows that it is one of these.
const PART: &str = "part-of-a-figure";

/// What there is to do, told where. It prints what it has found out.
type Part = fn(&Path);

const PARTS: &[(&str, Part)] = &[
    ("processes-ours", processes::ours),
    ("processes-by-hand", processes::by_hand),
    ("size-keys", size::keys),
    ("size-events", size::events),
    ("size-leases", size::leases),
];

/// Does its part if this process was started for one; false otherwise.
pub(crate) fn serve() -> bool {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [first, what, place] = arguments.as_slice() else { return false };
    let Some((_, part)) = PARTS.iter().find(|(name, _)| first == PART && what == OsStr::new(name)) else {
        return false;
    };
    part(Path::new(place));
    true
}

/// In such a process: says something.
pub(super) fn say(what: impl Display) {
    println!("{what}");
}

/// In such a process: returns when it is told to go on.
pub(super) fn wait() {
    // An end of the input says that nobody waits for an answer any more, and the next `say` fails.
    drop(stdin().read_line(&mut String::new()));
}

/// A process, from the outside. It is killed when this is dropped.
pub(super) struct Process {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(super) fn start(part: &str, place: &Path) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args([OsStr::new(PART), OsStr::new(part), place.as_os_str()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = input.zip(output).ok_or_else(|| io::Error::other("it has both ends"))?;
        Ok(Self { child, input, output: BufReader::new(output).lines() })
    }

    /// What it says next; `None` where it has ended.
    pub(super) fn hear(&mut self) -> Option<String> {
        self.output.next()?.ok()
    }

    pub(super) fn go_on(&mut self) -> io::Result<()> {
        self.input.write_all(b"\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has mostly ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
