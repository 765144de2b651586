//! Rules about the documents.

use super::{Finding, Subject, tree::File};

/// What a repository like this has.
const PRESENT: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "deny.toml",
    "docs/choosing.md",
    "docs/contract.md",
];

pub(super) fn present(subject: &Subject) -> Vec<Finding> {
    let missing = |path: &&&str| subject.tree.text(path).trim().is_empty();
    PRESENT.iter().filter(missing).map(|path| Finding::new(*path, "is missing")).collect()
}

pub(super) fn links(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in subject.tree.ending(".md") {
        for (place, line) in file.lines() {
            for target in targets(line) {
                let path = target.split('#').next().unwrap_or_default();
                if !path.contains("://") && !path.is_empty() && !leads_somewhere(subject, file, path) {
                    findings.push(Finding::new(place.clone(), format!("{target} leads nowhere")));
                }
            }
        }
    }
    findings
}

/// What stands in the parentheses of `[text](target)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

fn leads_somewhere(subject: &Subject, from: &File, path: &str) -> bool {
    let mut parts: Vec<&str> = from.folder().split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let target = parts.join("/");
    let inside = format!("{target}/");
    subject.tree.files.iter().any(|file| file.path == target || file.path.starts_with(&inside))
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, *};

    #[test]
    fn missing_documents_are_found() {
        let all: Vec<_> = PRESENT.iter().map(|path| (*path, "text")).collect();
        assert_eq!(present(&tree(&all)), []);
        assert_eq!(present(&tree(&all[1..]))[0].place, PRESENT[0]);
        assert_eq!(present(&tree(&[&all[1..], &[(PRESENT[0], "\n")]].concat()))[0].place, PRESENT[0]);
    }

    #[test]
    fn broken_links_are_found() {
        let good = "[a](docs/a.md) and [b](docs/a.md#part), [c](https://example.org/x), [d](#here), [e](docs)\n";
        let files = [("README.md", good), ("docs/a.md", "[back](../README.md)\n[gone](b.md)")];
        let found = links(&tree(&files));
        assert_eq!(found, [Finding::new("docs/a.md:2", "b.md leads nowhere")]);
    }
}
