//! Rules about `Cargo.toml` files. They are read line by line: ours have one entry a line.

use super::{
    Finding, Subject,
    tree::{File, Tree},
};
use crate::test::MSRV;

/// The lines of a section, trimmed, with their places.
fn section(file: &File, wanted: impl Fn(&str) -> bool) -> Vec<(String, &str)> {
    let mut inside = false;
    let mut lines = Vec::new();
    for (place, line) in file.lines() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = wanted(name);
        } else if inside && line.contains('=') && !line.starts_with('#') {
            lines.push((place, line));
        }
    }
    lines
}

/// The manifests of the packages.
fn packages(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.ending("/Cargo.toml").filter(|file| file.text.contains("[package]"))
}

/// Entries of all sections of dependencies: place, name, the whole line.
fn dependencies_of(file: &File) -> Vec<(String, &str, &str)> {
    let lines = section(file, |name| name.ends_with("dependencies") && !name.starts_with("workspace"));
    lines.into_iter().map(|(place, line)| (place, name_of(line), line)).collect()
}

/// What stands before the `=` and before a `.workspace`.
fn name_of(line: &str) -> &str {
    line.split(['=', '.', ' ']).next().unwrap_or_default().trim_matches('"')
}

pub(super) fn inheritance(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in packages(&subject.tree) {
        let has = |wanted: &str| file.text.lines().any(|line| line.trim() == wanted);
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            if !has(&format!("{key}.workspace = true")) {
                findings.push(Finding::new(&file.path, format!("does not say {key}.workspace = true")));
            }
        }
        if !section(file, |name| name == "lints").iter().any(|(_, line)| *line == "workspace = true") {
            findings.push(Finding::new(&file.path, "does not take the lints of the workspace"));
        }
    }
    findings
}

/// What has to stand in which file of the root.
const BANS: &[(&str, &str)] = &[
    ("Cargo.toml", "unsafe_code = \"forbid\""),
    ("Cargo.toml", "missing_docs = \"deny\""),
    ("Cargo.toml", "unwrap_used = \"warn\""),
    ("Cargo.toml", "disallowed_methods = \"warn\""),
    ("clippy.toml", "std::time::Instant::now"),
    ("clippy.toml", "std::time::SystemTime::now"),
    ("clippy.toml", "tokio::time::Instant::now"),
    ("clippy.toml", "getrandom::fill"),
];

pub(super) fn bans(subject: &Subject) -> Vec<Finding> {
    let versions = [
        ("Cargo.toml", format!("rust-version = \"{MSRV}\"")),
        ("clippy.toml", format!("msrv = \"{MSRV}\"")),
        ("README.md", MSRV.to_owned()),
        ("CONTRIBUTING.md", MSRV.to_owned()),
    ];
    let bans = BANS.iter().map(|(path, text)| (*path, (*text).to_owned()));
    bans.chain(versions)
        .filter(|(path, text)| !subject.tree.text(path).contains(text))
        .map(|(path, text)| Finding::new(path, format!("{text} is missing")))
        .collect()
}

pub(super) fn dependencies(subject: &Subject) -> Vec<Finding> {
    let tree = &subject.tree;
    let Some(root) = tree.file("Cargo.toml") else { return vec![Finding::new("Cargo.toml", "is missing")] };
    let table = section(root, |name| name == "workspace.dependencies");
    let mut findings = Vec::new();
    for file in packages(tree) {
        for (place, name, line) in dependencies_of(file) {
            if !(line.contains("workspace = true")) {
                findings.push(Finding::new(place, format!("{name}: take it from the table of the workspace")));
            }
        }
    }
    let explained: Vec<_> = tree.text("CONTRIBUTING.md").lines().filter_map(explained).collect();
    for (place, line) in &table {
        let name = name_of(line);
        if !packages(tree).any(|file| dependencies_of(file).iter().any(|(_, used, _)| *used == name)) {
            findings.push(Finding::new(place, format!("{name}: no package uses it")));
        }
        if !line.contains("path =") && !explained.contains(&name) {
            findings.push(Finding::new(
                place,
                format!("{name}: CONTRIBUTING.md has no line that says what for, why this one"),
            ));
        }
    }
    for name in explained {
        if !table.iter().any(|(_, line)| name_of(line) == name) {
            findings.push(Finding::new("CONTRIBUTING.md", format!("{name}: explained, but no dependency")));
        }
    }
    findings
}

/// The dependency that a line of CONTRIBUTING.md explains: "| `name` | what for | why this one |".
fn explained(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix("| `")?.split_once("` |")?;
    (rest.split('|').filter(|cell| !cell.trim().is_empty()).count() == 2).then_some(name)
}

pub(super) fn arrows(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in packages(&subject.tree) {
        let Some(package) = file.path.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml")) else {
            continue;
        };
        let above: fn(&str) -> bool = match package {
            "concurrency-core" => |name| name.starts_with("concurrency-"),
            "concurrency-toolkit" => |_| false,
            _ => |name| {
                name.starts_with("concurrency-") && !["concurrency-core", "concurrency-conformance"].contains(&name)
            },
        };
        for (place, name, _) in dependencies_of(file).into_iter().filter(|(_, name, _)| above(name)) {
            findings.push(Finding::new(place, format!("{package} must not know {name}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, *};

    const GOOD: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\
        [dependencies]\nserde.workspace = true\n[lints]\nworkspace = true\n";
    const ROOT: &str = "[workspace.dependencies]\nserde = { version = \"1\" }\n";
    const EXPLAINED: &str = "| `serde` | configuration | what everybody uses |\n";

    fn texts(findings: &[Finding]) -> String {
        findings.iter().map(|finding| format!("{}: {}\n", finding.place, finding.text)).collect()
    }

    #[test]
    fn what_is_not_inherited_is_found() {
        assert_eq!(inheritance(&tree(&[("crates/a/Cargo.toml", GOOD)])), []);
        let bad =
            GOOD.replace("[lints]\nworkspace = true\n", "").replace("edition.workspace = true", "edition = \"2021\"");
        let found = texts(&inheritance(&tree(&[("crates/a/Cargo.toml", &bad)])));
        assert!(found.contains("edition.workspace") && found.contains("lints"), "{found}");
    }

    #[test]
    fn a_lifted_ban_is_found() {
        let cargo = "rust-version = \"1.94\"\n".to_owned()
            + &BANS.iter().map(|(_, text)| format!("{text}\n")).collect::<String>();
        let clippy = cargo.replace("rust-version", "msrv");
        let good =
            [("Cargo.toml", &*cargo), ("clippy.toml", &clippy), ("README.md", "1.94"), ("CONTRIBUTING.md", "1.94")];
        assert_eq!(bans(&tree(&good)), []);
        let bad = cargo.replace("unsafe_code = \"forbid\"", "unsafe_code = \"warn\"");
        let found = texts(&bans(&tree(&[("Cargo.toml", &bad), good[1], good[2]])));
        assert!(found.contains("unsafe_code") && found.contains("CONTRIBUTING.md: 1.94"), "{found}");
    }

    #[test]
    fn unexplained_unused_and_stray_dependencies_are_found() {
        let files = |root, contributing| {
            [("Cargo.toml", root), ("crates/a/Cargo.toml", GOOD), ("CONTRIBUTING.md", contributing)]
        };
        assert_eq!(dependencies(&tree(&files(ROOT, EXPLAINED))), []);
        let found = texts(&dependencies(&tree(&files(ROOT, ""))));
        assert!(found.contains("Cargo.toml:2: serde: CONTRIBUTING.md"), "{found}");
        let unused = format!("{ROOT}rand = \"1\"\n");
        let found = texts(&dependencies(&tree(&files(&unused, EXPLAINED))));
        assert!(found.contains("rand: no package uses it") && found.contains("rand: CONTRIBUTING.md"), "{found}");
        let gone = format!("{EXPLAINED}| `rand` | dice | random |\n");
        assert!(texts(&dependencies(&tree(&files(ROOT, &gone)))).contains("rand: explained, but no dependency"));
        let stray = GOOD.replace("serde.workspace = true", "serde.workspace = true\nrand = \"1\"");
        let found = texts(&dependencies(&tree(&[
            ("Cargo.toml", ROOT),
            ("crates/a/Cargo.toml", &stray),
            ("CONTRIBUTING.md", EXPLAINED),
        ])));
        assert!(found.contains("crates/a/Cargo.toml:10: rand: take it from the table"), "{found}");
    }

    #[test]
    fn a_line_without_a_reason_explains_nothing() {
        assert_eq!(explained("| `serde` | configuration | what everybody uses |"), Some("serde"));
        assert_eq!(explained("| `serde` | configuration | |"), None);
        assert_eq!(explained("| dependency | what for | why this one |"), None);
    }

    #[test]
    fn arrows_that_point_up_are_found() {
        let up = GOOD.replace("serde.workspace", "concurrency-redis.workspace");
        let of = |package: &str| arrows(&tree(&[(&format!("crates/{package}/Cargo.toml"), &up)])).len();
        assert_eq!((of("concurrency-core"), of("concurrency-postgres"), of("concurrency-toolkit")), (1, 1, 0));
    }
}
