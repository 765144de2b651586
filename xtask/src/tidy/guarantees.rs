//! `docs/guarantees.md`: sentence by backend, each cell with the cases behind it. Generated.

use std::fmt::Write as _;

use super::{
    Finding, Subject,
    contract::{self, LETTERS, Sentence},
    suite::{self, Case},
};

pub(super) const PATH: &str = "docs/guarantees.md";

const INTRODUCTION: &str = "\
# Guarantees

<!-- Written by `cargo xtask tidy --write` from docs/contract.md and the suite: change those, not this. -->

Which case of the conformance suite proves which sentence of [the contract](contract.md), on which backend. Run one with
`cargo xtask conformance --backend memory --case NAME`; all of it runs with `cargo xtask test`.

- A cell names the cases, as `kind::group::case`. A backend passes them where it declares the operation that they are about.
- *faults* is shown by level 5 of the suite, which is not part of this version; *servers* on a real server or file, by the tests of the
  backend.
- *by review* gives the reason why no case is possible.
- A mutant is the backend, in memory or SQLite over four processes, with that sentence broken; it is caught by a case that names the
  sentence, with 20 of 20 seeds.
";

/// What the file has to be.
pub(super) fn text(subject: &Subject) -> String {
    let sentences = contract::sentences(&subject.tree);
    let (tests, _) = suite::tests(&subject.tree);
    let (suite, mut text) = (&subject.suite, INTRODUCTION.to_owned());
    let put = "a string takes everything";
    let (cases, mutants) = (suite.cases.len(), suite.mutants.len());
    write!(
        text,
        "\n{} sentences, {cases} cases, {} tests of companions, {mutants} mutants.\n",
        sentences.len(),
        tests.len()
    )
    .expect(put);
    for (letter, title) in LETTERS {
        // What companions promise holds on every backend alike. The suite is the same for all: one column.
        let column = if *letter == 'T' { "every backend".to_owned() } else { suite.backends.join(", ") };
        writeln!(text, "\n## {title}\n\n| | sentence | {column} | mutants |\n|---|---|---|---|").expect(put);
        for sentence in sentences.iter().filter(|sentence| sentence.letter() == *letter) {
            let cell = cell(sentence, suite.cases.iter().chain(&tests));
            let mutants = named(sentence, suite.mutants.iter());
            let says = sentence.text.replace('|', "\\|");
            writeln!(text, "| {} | {says} | {cell} | {} |", sentence.id, mutants.join("<br>")).expect(put);
        }
    }
    text
}

fn named<'c>(sentence: &Sentence, cases: impl Iterator<Item = &'c Case>) -> Vec<String> {
    cases.filter(|case| case.sentences.contains(&sentence.id)).map(|case| format!("`{}`", case.name)).collect()
}

fn cell<'c>(sentence: &Sentence, cases: impl Iterator<Item = &'c Case>) -> String {
    let mut parts = named(sentence, cases);
    parts.extend(sentence.faults.then(|| "*faults*".to_owned()));
    parts.extend(sentence.servers.then(|| "*servers*".to_owned()));
    parts.extend(sentence.by_review.as_ref().map(|reason| format!("*by review: {reason}*")));
    parts.join("<br>")
}

pub(super) fn current(subject: &Subject) -> Vec<Finding> {
    if subject.tree.text(PATH) == text(subject) {
        return Vec::new();
    }
    vec![Finding::new(PATH, "is not what the contract and the suite say: cargo xtask tidy --write")]
}

#[cfg(test)]
mod tests {
    use super::{
        super::{suite::Suite, tree::tree},
        *,
    };

    fn subject(guarantees: &str) -> Subject {
        let contract = "- **S-1** A | b. [refuses]\n- **S-2** B. [faults]\n- **T-1** C.\n";
        let case = |name: &str| Case { name: name.into(), sentences: vec!["S-1".into()] };
        let suite = Suite {
            backends: vec!["memory".into()],
            cases: vec![case("state::a::b")],
            mutants: vec![case("state::m")],
        };
        let test = concat!("// ", "T-1\n#[test]\nfn t() {}\n");
        Subject { suite, ..tree(&[(contract::PATH, contract), (PATH, guarantees), ("a.rs", test)]) }
    }

    #[test]
    fn a_stale_table_is_found() {
        let right = text(&subject(""));
        assert_eq!(current(&subject(&right)), []);
        assert_eq!(current(&subject(&right.replace("state::a::b", "state::a::c"))).len(), 1);
        assert_eq!(current(&subject("")).len(), 1);
    }

    #[test]
    fn a_cell_names_what_is_behind_it() {
        let text = text(&subject(""));
        for line in [
            "| S-1 | A \\| b. | `state::a::b` | `state::m` |",
            "| S-2 | B. | *faults* |  |",
            "| T-1 | C. | `a.rs: t` |  |",
            "3 sentences, 1 cases, 1 tests of companions, 1 mutants.",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
