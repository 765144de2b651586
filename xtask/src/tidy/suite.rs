//! What the suite has: cases and mutants with the sentences that they name, and tests of the companions that name theirs.

use std::process::Stdio;

use super::{Finding, json::Json, tree::Tree};
use crate::{Problem, programs};

/// A case of the suite, or a test of a companion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    /// `state::versions::a_version_never_returns`, or file and test.
    pub(super) name: String,
    pub(super) sentences: Vec<String>,
}

/// What `suite --list` prints.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Suite {
    pub(super) backends: Vec<String>,
    pub(super) cases: Vec<Case>,
    pub(super) mutants: Vec<Case>,
}

impl Suite {
    /// Builds the suite and asks it; an empty one in a version without a suite.
    pub(super) fn ask() -> Result<Self, Problem> {
        if !programs::root().join("suite/Cargo.toml").exists() {
            return Ok(Self::default());
        }
        let output = programs::suite(false)?.args(["conformance", "--list"]).stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| format!("the suite cannot be started: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let read = if output.status.success() { Self::read(&text) } else { None };
        read.ok_or_else(|| "the suite did not list its cases: cargo xtask conformance --list".to_owned())
    }

    fn read(text: &str) -> Option<Self> {
        let json = Json::read(text)?;
        let list =
            |name, path| json.get(name)?.list().iter().map(|entry| case(entry, path)).collect::<Option<Vec<_>>>();
        Some(Self {
            backends: json.get("backends")?.list().iter().filter_map(Json::text).map(str::to_owned).collect(),
            cases: list("cases", &["kind", "group", "name"])?,
            mutants: list("mutants", &["kind", "name"])?,
        })
    }
}

fn case(entry: &Json, path: &[&str]) -> Option<Case> {
    let parts: Option<Vec<&str>> = path.iter().map(|name| entry.get(name)?.text()).collect();
    let sentences = entry.get("sentences")?.list().iter().filter_map(Json::text).map(str::to_owned).collect();
    Some(Case { name: parts?.join("::"), sentences })
}

/// The tests that name sentences: a line `// T-12` (or `// T-12, T-13`) directly above the `#[test]`.
pub(super) fn tests(tree: &Tree) -> (Vec<Case>, Vec<Finding>) {
    let (mut tests, mut findings) = (Vec::new(), Vec::new());
    for file in tree.ending(".rs") {
        let lines: Vec<_> = file.lines().collect();
        for (at, (place, line)) in lines.iter().enumerate() {
            let Some(sentences) = named(line) else { continue };
            let mut below = lines[at + 1..].iter().map(|(_, line)| line.trim());
            let attribute = below.next().unwrap_or_default();
            if !(attribute.starts_with("#[test]") || attribute.starts_with("#[tokio::test")) {
                findings.push(Finding::new(place, "names a sentence, but no #[test] follows"));
            } else if let Some(name) = below.find_map(function) {
                tests.push(Case { name: format!("{}: {name}", file.path), sentences });
            }
        }
    }
    (tests, findings)
}

/// The ids, where the line is a comment of nothing but ids.
fn named(line: &str) -> Option<Vec<String>> {
    let ids: Vec<_> = line.trim().strip_prefix("// ")?.split(',').map(|id| id.trim().to_owned()).collect();
    ids.iter().all(|id| super::contract::is_id(id)).then_some(ids)
}

fn function(line: &str) -> Option<&str> {
    line.trim_start_matches("async ").strip_prefix("fn ")?.split('(').next()
}

#[cfg(test)]
mod unit_tests {
    use super::{super::tree::tree, *};

    #[test]
    fn a_list_is_read() {
        let text = r#"{"backends": ["memory"], "mutants": [{"name": "m", "kind": "lock", "sentences": ["L-1"]}],
            "cases": [{"kind": "state", "group": "g", "name": "n", "level": 1, "sentences": ["S-1", "G-2"]}]}"#;
        let suite = Suite::read(text).unwrap();
        assert_eq!(suite.backends, ["memory"]);
        assert_eq!((&*suite.cases[0].name, suite.cases[0].sentences.len()), ("state::g::n", 2));
        assert_eq!(suite.mutants[0].name, "lock::m");
        assert_eq!(Suite::read("{}"), None);
    }

    #[test]
    fn tests_that_name_sentences_are_found() {
        let comment = concat!("// ", "T-1, T-22");
        let text = format!(
            "{comment}\n#[tokio::test(start_paused = true)]\nasync fn a() {{}}\n{comment}\nfn b() {{}}\n// T-shirt\n"
        );
        let (tests, findings) = tests(&tree(&[("src/a.rs", &text)]).tree);
        assert_eq!(tests, [Case { name: "src/a.rs: a".into(), sentences: vec!["T-1".into(), "T-22".into()] }]);
        assert_eq!(findings, [Finding::new("src/a.rs:4", "names a sentence, but no #[test] follows")]);
    }
}
