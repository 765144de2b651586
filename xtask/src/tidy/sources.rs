//! Rules about source files.

use super::{Finding, Subject};

/// Above this many lines a file is too long; see [`long`] for those that come near.
const HARD: usize = 600;
const SOFT: usize = 400;

pub(super) fn length(subject: &Subject) -> Vec<Finding> {
    longer(subject, HARD, usize::MAX)
}

/// Not broken yet, but on the way.
pub(super) fn long(subject: &Subject) -> Vec<Finding> {
    longer(subject, SOFT, HARD)
}

fn longer(subject: &Subject, above: usize, up_to: usize) -> Vec<Finding> {
    let counted = subject.tree.ending(".rs").map(|file| (file, file.text.lines().count()));
    counted
        .filter(|(_, lines)| *lines > above && *lines <= up_to)
        .map(|(file, lines)| Finding::new(&file.path, format!("{lines} lines; one concept a file, below {SOFT}")))
        .collect()
}

/// In two parts, so that this file does not break its own rule.
const LEFTOVERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("#[ig", "nore"),
    concat!("```ig", "nore"),
];

pub(super) fn leftovers(subject: &Subject) -> Vec<Finding> {
    let tree = &subject.tree;
    let mut findings = Vec::new();
    for file in tree.ending(".rs").chain(tree.ending(".toml")).chain(tree.file(".ci/run")) {
        for (place, line) in file.lines() {
            for word in LEFTOVERS.iter().filter(|word| contains_word(line, word)) {
                findings.push(Finding::new(
                    place.clone(),
                    format!("{word}: finish it, or say in an issue what is missing"),
                ));
            }
        }
    }
    findings
}

/// Whether `word` stands in the line and not inside a longer one.
fn contains_word(line: &str, word: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(letter);
        let after = line[at + word.len()..].chars().next().is_some_and(letter);
        let inside = before || (after && word.ends_with(letter));
        !inside
    })
}

const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "prelude", "misc", "shared"];

pub(super) fn names(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in subject.tree.ending(".rs") {
        let path = file.path.trim_end_matches(".rs");
        for part in path.split('/').filter(|part| EMPTY_NAMES.contains(part)) {
            findings.push(Finding::new(&file.path, format!("{part} says nothing: name it for the concept in it")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, *};

    #[test]
    fn long_files_are_found() {
        let lines = |count| "//\n".repeat(count);
        let subject =
            tree(&[("a.rs", &lines(601)), ("b.rs", &lines(600)), ("c.rs", &lines(400)), ("d.md", &lines(900))]);
        assert_eq!(length(&subject).iter().map(|finding| &finding.place).collect::<Vec<_>>(), ["a.rs"]);
        assert_eq!(long(&subject).iter().map(|finding| &finding.place).collect::<Vec<_>>(), ["b.rs"]);
    }

    #[test]
    fn leftovers_are_found() {
        for word in LEFTOVERS {
            let subject = tree(&[("src/a.rs", &format!("fn a() {{}}\n    // {word} later\n"))]);
            assert_eq!(leftovers(&subject)[0].place, "src/a.rs:2", "{word}");
        }
        let fine = tree(&[("src/a.rs", "const TODOS: u8 = 1; // mastodon, XXXL\n")]);
        assert_eq!(leftovers(&fine), []);
    }

    #[test]
    fn empty_names_are_found() {
        let subject =
            tree(&[("src/utils.rs", ""), ("src/common/a.rs", ""), ("src/commonly.rs", ""), ("src/key.rs", "")]);
        let places: Vec<_> = names(&subject).into_iter().map(|finding| finding.place).collect();
        assert_eq!(places, ["src/utils.rs", "src/common/a.rs"]);
    }
}
