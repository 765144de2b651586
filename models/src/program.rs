//! `cargo run -p models --release -- ..`

use std::{fmt::Write as _, process::ExitCode};

use lexopt::{
    Parser,
    prelude::{Long, Short, Value},
};

use crate::{
    Clauses, Scope as _,
    bell::Bell,
    cache::Cache,
    family::{Family, Named},
    lock::Lock,
    log::Log,
    state::StateStore,
    wake::WakeUps,
};

type Problem = Box<dyn std::error::Error>;

const HELP: &str = "\
models                                  the models, their scopes and their clauses
models MODEL [SCOPE]                    tries every order of events, in all scopes of cargo test or in one
models MODEL SCOPE --clients 3 ..       in a larger one; each number of a scope is an option
models MODEL --without CLAUSE           the clause switched off: prints what goes wrong, in words
models MODEL SCOPE --without CLAUSE     the same in this scope: whichever promise is broken first

  --threads N   two, unless given

Exit code: 0 everything holds (or, without a clause, something is broken), 1 otherwise, 2 wrong arguments.
";

/// What is asked for.
#[derive(Debug, Default)]
struct Asked {
    names: Vec<String>,
    settings: Vec<(String, u8)>,
    without: Option<String>,
    threads: Option<usize>,
}

/// Runs what the arguments say.
///
/// # Errors
/// Wrong arguments.
pub(crate) fn run(mut parser: Parser) -> Result<ExitCode, Problem> {
    let mut asked = Asked::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            Long("without") => asked.without = Some(parser.value()?.into_string().map_err(|_| "not UTF-8")?),
            Long("threads") => asked.threads = Some(parser.value()?.into_string().map_err(|_| "not UTF-8")?.parse()?),
            Long(setting) => {
                let setting = setting.to_owned();
                let value = parser.value()?.into_string().map_err(|_| "not UTF-8")?;
                asked.settings.push((setting, value.parse()?));
            }
            Value(name) => asked.names.push(name.into_string().map_err(|_| "not UTF-8")?),
            other => return Err(other.unexpected().into()),
        }
    }
    let Some(model) = asked.names.first() else {
        print!("{HELP}{}", list());
        return Ok(ExitCode::SUCCESS);
    };
    match model.as_str() {
        Lock::NAME => on::<Lock>(&asked),
        StateStore::NAME => on::<StateStore>(&asked),
        Cache::NAME => on::<Cache>(&asked),
        Log::NAME => on::<Log>(&asked),
        WakeUps::NAME => on::<WakeUps>(&asked),
        Bell::NAME => on::<Bell>(&asked),
        other => Err(format!("no model is called {other:?}").into()),
    }
}

fn list() -> String {
    let mut text = String::new();
    describe::<Lock>(&mut text);
    describe::<StateStore>(&mut text);
    describe::<Cache>(&mut text);
    describe::<Log>(&mut text);
    describe::<WakeUps>(&mut text);
    describe::<Bell>(&mut text);
    text
}

fn describe<F: Family>(text: &mut String) {
    let put = "a string takes everything";
    writeln!(text, "\n{}", F::NAME).expect(put);
    for (name, scope, _) in F::SCOPES {
        writeln!(text, "  {name}: {}", scope.words()).expect(put);
    }
    for trial in F::TRIALS {
        writeln!(text, "  {}", trial.clause).expect(put);
    }
}

fn on<F: Family>(asked: &Asked) -> Result<ExitCode, Problem> {
    let holds = match &asked.without {
        Some(id) => misses::<F>(asked, id)?,
        None => tries::<F>(asked)?,
    };
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The scopes that are meant, as they are set.
fn scopes<F: Family>(asked: &Asked) -> Result<Vec<Named<F::Scope>>, Problem> {
    let wanted = asked.names.get(1);
    let mut scopes: Vec<_> =
        F::SCOPES.iter().filter(|(name, ..)| wanted.is_none_or(|wanted| wanted == name)).copied().collect();
    if scopes.is_empty() {
        return Err(format!("{} has no such scope", F::NAME).into());
    }
    for (_, scope, _) in &mut scopes {
        for (setting, value) in &asked.settings {
            if !scope.set(setting, *value) {
                return Err(format!("{} has no number called {setting}", F::NAME).into());
            }
        }
    }
    Ok(scopes)
}

fn tries<F: Family>(asked: &Asked) -> Result<bool, Problem> {
    let mut holds = true;
    for (name, scope, sights) in scopes::<F>(asked)? {
        println!("{} {name} ({})", F::NAME, scope.words());
        let report = F::check(scope, Clauses::ALL, sights, asked.threads.unwrap_or(2));
        println!("  {report}");
        for (sight, times) in &report.sights {
            println!("  {times:>12} times: {sight}");
        }
        report.unseen().iter().for_each(|sight| println!("  NEVER: {sight}"));
        if let Some(broken) = &report.broken {
            println!("{broken}");
        }
        holds &= report.broken.is_none();
    }
    Ok(holds)
}

fn misses<F: Family>(asked: &Asked, id: &str) -> Result<bool, Problem> {
    let trial = F::TRIALS.iter().find(|trial| trial.clause.id == id);
    let trial = trial.ok_or_else(|| format!("{} has no clause {id}", F::NAME))?;
    println!("{}", trial.clause);
    let found = match asked.names.get(1) {
        None => F::miss(trial),
        Some(_) => {
            let scopes = scopes::<F>(asked)?;
            let first = |(_, scope, _)| F::check(scope, Clauses::without(trial.clause), &[], 1).broken;
            scopes.into_iter().find_map(first)
        }
    };
    match &found {
        Some(found) => println!("{found}\n   decided by: {}", trial.decides),
        None => println!("   nothing is broken"),
    }
    Ok(found.is_some())
}
