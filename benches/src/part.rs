//! Processes of a figure: this program again, told what to do, and what they say.

use std::{
    env,
    ffi::OsStr,
    fmt::Display,
    io::{self, BufRead, BufReader, Lines, Write, stdin},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use servers::Guardian;

use crate::{redis, sqlite};

/// The argument by which a process knows that it is one of these.
const PART: &str = "part-of-a-figure";

/// What there is to do, by its name, told where: a path, or a URL. It prints what it has found out.
pub(crate) type Part = (&'static str, fn(&OsStr));

/// Does its part if this process was started for one; false otherwise.
pub(crate) fn serve() -> bool {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [first, what, place] = arguments.as_slice() else { return false };
    let mut parts = sqlite::PARTS.iter().chain(redis::PARTS);
    let Some((_, part)) = parts.find(|(name, _)| first == PART && what == OsStr::new(name)) else {
        return false;
    };
    part(place);
    true
}

/// In such a process: says something.
pub(crate) fn say(what: impl Display) {
    println!("{what}");
}

/// In such a process: returns when it is told to go on.
pub(crate) fn wait() {
    // An end of the input says that nobody waits for an answer any more, and the next `say` fails.
    drop(stdin().read_line(&mut String::new()));
}

/// A process, from the outside. It is killed when this is dropped, and when this process ends.
pub(crate) struct Process {
    child: Child,
    guardian: Guardian,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(crate) fn start(part: &str, place: &OsStr) -> io::Result<Self> {
        let mut guardian = Guardian::new("KILL")?;
        let mut command = Command::new(env::current_exe()?);
        command.args([OsStr::new(PART), OsStr::new(part), place]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        guardian.watch(Some(child.id()))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = input.zip(output).ok_or_else(|| io::Error::other("it has both ends"))?;
        Ok(Self { child, guardian, input, output: BufReader::new(output).lines() })
    }

    /// What it says next; `None` where it has ended.
    pub(crate) fn hear(&mut self) -> Option<String> {
        self.output.next()?.ok()
    }

    pub(crate) fn go_on(&mut self) -> io::Result<()> {
        self.input.write_all(b"\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has mostly ended by itself.
        drop(self.child.kill());
        // Before its number may be another one's.
        drop(self.guardian.watch(None));
        drop(self.child.wait());
    }
}
