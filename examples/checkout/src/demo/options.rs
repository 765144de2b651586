//! The arguments of the demo.

use std::{ffi::OsString, path::PathBuf};

use concurrency_core::random;
use serde::Serialize;

/// What the demo is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Options {
    /// How many orders are to be accepted.
    pub orders: usize,
    /// How many clients send them.
    pub clients: usize,
    /// How many instances serve them.
    pub instances: usize,
    /// How many orders are begun in a second, together.
    pub pace: u32,
    /// Where the driver's choices begin.
    pub seed: u64,
    /// The port of the first instance, the others follow; free ones where there is none.
    pub port: Option<u16>,
    /// Where the report goes as JSON.
    #[serde(skip)]
    pub json: Option<PathBuf>,
}

/// What `--help` says.
pub const HELP: &str = "\
cargo xtask demo [options]

Runs the example service `checkout`: several instances over one backend, orders from many clients at once, a tenth of them
repeated at another instance before the first answered. Then audits what was stored, and prints a report.

  --orders N          how many orders are to be accepted, 1 to 1,000,000; 2,000 unless given
  --clients N         how many clients send them at once, 1 to 1,000; 32 unless given
  --instances N       how many instances serve them, 2 to 16; 3 unless given
  --pace N            how many orders are begun in a second, 1 to 100,000; 250 unless given
  --seed N            where the choices of the clients begin (products, repeats); random unless given
  --port N            instances listen on 127.0.0.1, ports N, N+1, ..; free ports unless given
  --json FILE         the report as JSON, too

Exit code: 0 no discrepancy, 1 at least one, 2 wrong arguments, or the run proved nothing (too few requests met),
130 stopped by Ctrl-C.
";

impl Default for Options {
    fn default() -> Self {
        Self { orders: 2000, clients: 32, instances: 3, pace: 250, seed: 1, port: None, json: None }
    }
}

impl Options {
    /// Reads the arguments; `None` where help is asked for.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, String> {
        use lexopt::prelude::*;
        let [a, b, c, d, ..] = random::bytes();
        let mut options = Self { seed: u64::from(u32::from_le_bytes([a, b, c, d])), ..Self::default() };
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next().map_err(words)? {
            match argument {
                Long("orders") => options.orders = number(&mut parser, "--orders", 1, 1_000_000)?,
                Long("clients") => options.clients = number(&mut parser, "--clients", 1, 1000)?,
                Long("instances") => options.instances = number(&mut parser, "--instances", 2, 16)?,
                Long("pace") => options.pace = number(&mut parser, "--pace", 1, 100_000)?,
                Long("seed") => options.seed = number(&mut parser, "--seed", 0, u64::MAX)?,
                Long("port") => options.port = Some(number(&mut parser, "--port", 1, u16::MAX)?),
                Long("json") => options.json = Some(parser.value().map_err(words)?.into()),
                Long("help") | Short('h') => return Ok(None),
                other => return Err(words(other.unexpected())),
            }
        }
        if options.port.is_some_and(|first| usize::from(u16::MAX - first) < options.instances - 1) {
            return Err(format!("--port: there are no {} ports from there on", options.instances));
        }
        Ok(Some(options))
    }
}

fn words(error: lexopt::Error) -> String {
    error.to_string()
}

fn number<N>(parser: &mut lexopt::Parser, name: &str, least: N, most: N) -> Result<N, String>
where
    N: std::str::FromStr + PartialOrd + std::fmt::Display + Copy,
{
    let value = parser.value().map_err(words)?;
    let parsed = value.to_str().and_then(|value| value.replace([',', '_'], "").parse().ok());
    let within = parsed.filter(|number| (least..=most).contains(number));
    within.ok_or_else(|| format!("{name}: {} is not a number from {least} to {most}", value.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, String> {
        Options::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn arguments_are_read() {
        let options = parse("--orders 5,000 --instances=5 --seed 7 --json out.json").unwrap().unwrap();
        let wanted =
            Options { orders: 5000, instances: 5, seed: 7, json: Some("out.json".into()), ..Options::default() };
        assert_eq!(options, wanted);
        assert_eq!(parse("--help"), Ok(None));
    }

    #[test]
    fn wrong_arguments_are_named() {
        let wrong = ["--orders 0", "--orders many", "--orders", "--instances 1", "--port 70000", "--fast", "x"];
        for line in wrong {
            let why = parse(line).unwrap_err();
            assert!(why.contains(line.split(' ').next().unwrap().trim_start_matches("--")), "{line}: {why}");
        }
        assert!(parse("--port 65534 --instances 3").unwrap_err().contains("3 ports"));
    }
}
