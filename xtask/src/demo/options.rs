//! The arguments of the demo.

use std::{path::PathBuf, time::Duration};

use servers::Kind;

use crate::Problem;

/// What the demo is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) url: Option<String>,
    /// The kind of server that the run is to start for itself.
    pub(crate) own_server: Option<Kind>,
    pub(crate) instances: u32,
    pub(crate) orders: u64,
    pub(crate) pace: u64,
    pub(crate) clients: u64,
    pub(crate) seed: Option<u64>,
    pub(crate) port: u16,
    pub(crate) lease: Duration,
    pub(crate) keep: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) part: Option<Part>,
    pub(crate) service: Option<PathBuf>,
}

/// What `--break` breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// What is then broken, as part of a sentence.
    pub(crate) means: &'static str,
}

/// All that can be broken, in the order in which the report proposes them.
pub(crate) const PARTS: [Part; 4] = [
    Part { name: "fence", means: "the ledger ignores tokens" },
    Part { name: "lock", means: "the lock lets everybody in" },
    Part { name: "stock", means: "stocks are saved whatever their version" },
    Part { name: "events", means: "the projection forgets its checkpoint" },
];

/// What `--help` says.
pub(crate) const HELP: &str = "\
cargo xtask demo [options]

A shop whose instances are processes over one backend, with customers, and a ledger that takes the money. While they work, one
is killed after it has charged an order and before it could save that; another is frozen between deciding to charge and
charging, until somebody else has taken over and charged. Then a process that took no part judges what was stored. The address
of a page to watch it on is printed first; there you can kill and freeze instances yourself. Takes about half a minute.

  --url URL           the backend: sqlite:FILE, or redis://HOST, where the run has names of its own and removes them; SQLite
                      in a folder that is thrown away unless given; memory: is the demo without faults, in one process
  --own-server NAME   redis or valkey: starts that program of this machine on a free port, with its data in a folder that is
                      thrown away, kills it in the middle of the run, and starts it again
  --instances N       how many instances, 2 to 16; 3 unless given
  --orders N          how many orders are to be accepted, 1 to 1,000,000; 2,000 unless given
  --pace N            how many orders are begun in a second, 1 to 100,000; 80 unless given
  --clients N         how many customers send them at once, 1 to 1,000; 32 unless given
  --seed N            where the choices of the customers begin (products, repeats); random unless given
  --port N            the page is on 127.0.0.1, port N (with memory: the first instance); a free one unless given
  --lease-ms N        how long a dead or frozen instance keeps others from its orders, 200 to 60,000 ms; 2,000 unless given
  --keep              leaves the files, and names on a server, where they are, and the page up, until Ctrl-C; so long
                      its own server stays, too
  --json FILE         the report as JSON, too
  --break NAME        lock, stock, events or fence: breaks that part, and the audit is to notice
  --service FILE      the program of the service, where it is not to be built

Exit code: 0 no discrepancy; 1 at least one; 2 it could not be started as asked, or proved nothing (fewer than one kill
between charge and save, one refused late charge, ten overlapping repeats, one projection taken over, and one return of its
own server); 130 Ctrl-C.
";

impl Default for Options {
    fn default() -> Self {
        Self {
            url: None,
            own_server: None,
            instances: 3,
            orders: 2000,
            pace: 80,
            clients: 32,
            seed: None,
            port: 0,
            lease: Duration::from_secs(2),
            keep: false,
            json: None,
            part: None,
            service: None,
        }
    }
}

impl Options {
    /// Reads the arguments; `None` where help is asked for.
    pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Option<Self>, Problem> {
        use lexopt::prelude::*;
        let mut options = Self::default();
        while let Some(argument) = parser.next().map_err(words)? {
            match argument {
                Long("url") => options.url = Some(parser.value().map_err(words)?.string().map_err(words)?),
                Long("own-server") => options.own_server = Some(kind(&mut parser)?),
                Long("instances") => options.instances = number(&mut parser, "--instances", 2, 16)? as u32,
                Long("orders") => options.orders = number(&mut parser, "--orders", 1, 1_000_000)?,
                Long("pace") => options.pace = number(&mut parser, "--pace", 1, 100_000)?,
                Long("clients") => options.clients = number(&mut parser, "--clients", 1, 1000)?,
                Long("seed") => options.seed = Some(number(&mut parser, "--seed", 0, u64::MAX)?),
                Long("port") => options.port = number(&mut parser, "--port", 1, u64::from(u16::MAX))? as u16,
                Long("lease-ms") => {
                    options.lease = Duration::from_millis(number(&mut parser, "--lease-ms", 200, 60_000)?);
                }
                Long("keep") => options.keep = true,
                Long("json") => options.json = Some(parser.value().map_err(words)?.into()),
                Long("break") => options.part = Some(part(&mut parser)?),
                Long("service") => options.service = Some(parser.value().map_err(words)?.into()),
                Long("help") | Short('h') => return Ok(None),
                other => return Err(words(other.unexpected())),
            }
        }
        if options.url.is_some() && options.own_server.is_some() {
            return Err(
                "--own-server starts a server for the run, and --url names one that is there: one of them".to_owned()
            );
        }
        if options.is_memory() && options.part.is_some() {
            return Err("--break needs processes, and memory: has one".to_owned());
        }
        Ok(Some(options))
    }

    /// The feature of the service that speaks to the server, if it is one.
    pub(crate) fn feature(&self) -> Option<&'static str> {
        self.own_server.or_else(|| Kind::of_url(self.url.as_deref()?)).map(Kind::feature)
    }

    /// Whether all of it is to happen in one process.
    pub(crate) fn is_memory(&self) -> bool {
        self.url.as_deref().is_some_and(|url| url.starts_with("memory:"))
    }
}

fn words(error: lexopt::Error) -> Problem {
    error.to_string()
}

fn number(parser: &mut lexopt::Parser, name: &str, least: u64, most: u64) -> Result<u64, Problem> {
    let value = parser.value().map_err(words)?;
    let parsed = value.to_str().and_then(|value| value.replace([',', '_'], "").parse().ok());
    let within = parsed.filter(|number| (least..=most).contains(number));
    within.ok_or_else(|| format!("{name}: {} is not a number from {least} to {most}", value.to_string_lossy()))
}

fn kind(parser: &mut lexopt::Parser) -> Result<Kind, Problem> {
    let value = parser.value().map_err(words)?;
    let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    let kind = value.to_str().and_then(Kind::find);
    kind.ok_or_else(|| format!("--own-server: {} is none of {}", value.to_string_lossy(), known.join(", ")))
}

fn part(parser: &mut lexopt::Parser) -> Result<Part, Problem> {
    let value = parser.value().map_err(words)?;
    let known = PARTS.into_iter().find(|part| value == *part.name);
    known.ok_or_else(|| format!("--break: {} is none of lock, stock, events and fence", value.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, Problem> {
        Options::parse(lexopt::Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn arguments_are_read() {
        let options = parse("--url sqlite:x --orders 5,000 --instances=5 --seed 7 --json out.json --keep").unwrap();
        let wanted = Options {
            url: Some("sqlite:x".to_owned()),
            orders: 5000,
            instances: 5,
            seed: Some(7),
            json: Some("out.json".into()),
            keep: true,
            ..Options::default()
        };
        assert_eq!(options, Some(wanted));
        assert_eq!(parse("--help"), Ok(None));
        for part in PARTS {
            let options = parse(&format!("--url sqlite:x --break {}", part.name)).unwrap().unwrap();
            assert_eq!(options.part, Some(part));
        }
    }

    #[test]
    fn every_option_that_the_help_explains_is_known() {
        let options = HELP.lines().filter_map(|line| line.strip_prefix("  --")?.split(' ').next());
        let options: Vec<_> = options.map(|name| format!("--{name}")).collect();
        assert_eq!(options.len(), 13);
        for option in options {
            // All but this one want a value, and say so.
            let known = parse(&option).map_or_else(|why| why.contains("missing argument"), |_| option == "--keep");
            assert!(known, "{option}: {:?}", parse(&option));
        }
    }

    #[test]
    fn wrong_arguments_are_named() {
        let wrong = ["--orders 0", "--orders many", "--orders", "--instances 1", "--port 70000", "--fast", "x"];
        let more = ["--break clock", "--lease-ms 10", "--url memory: --break lock", "--own-server"];
        for line in wrong.into_iter().chain(more) {
            let why = parse(line).unwrap_err();
            let named = line.split(' ').find(|word| why.contains(word.trim_start_matches("--")));
            assert!(named.is_some(), "{line}: {why}");
        }
        assert_eq!(parse("--own-server etcd").unwrap_err(), "--own-server: etcd is none of redis, valkey");
        let both = parse("--own-server redis --url redis://localhost").unwrap_err();
        assert!(both.contains("--own-server") && both.contains("--url"), "{both}");
    }

    #[test]
    fn only_whoever_wants_a_server_compiles_its_driver() {
        let feature = |line| parse(line).unwrap().unwrap().feature();
        assert_eq!([feature(""), feature("--url sqlite:x"), feature("--url memory:")], [None; 3]);
        for line in
            ["--own-server redis", "--own-server valkey", "--url redis://h", "--url rediss://h", "--url valkey://h"]
        {
            assert_eq!(feature(line), Some("redis"), "{line}");
        }
    }
}
