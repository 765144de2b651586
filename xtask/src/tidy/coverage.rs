//! Rules that hold sentences of the contract against what proves them.

use std::collections::BTreeSet;

use super::{
    Finding, Subject, contract,
    suite::{self, Case},
};

pub(super) fn names(subject: &Subject) -> Vec<Finding> {
    let known: BTreeSet<_> = contract::sentences(&subject.tree).into_iter().map(|sentence| sentence.id).collect();
    let (tests, mut findings) = suite::tests(&subject.tree);
    for case in subject.suite.cases.iter().chain(&subject.suite.mutants).chain(&tests) {
        if case.sentences.is_empty() {
            findings.push(Finding::new(&case.name, "names no sentence"));
        }
        for id in case.sentences.iter().filter(|id| !known.contains(*id)) {
            findings.push(Finding::new(&case.name, format!("{id} is not in {}", contract::PATH)));
        }
    }
    findings
}

pub(super) fn cases(subject: &Subject) -> Vec<Finding> {
    let (tests, _) = suite::tests(&subject.tree);
    let mut findings = Vec::new();
    for sentence in contract::sentences(&subject.tree).iter().filter(|sentence| !sentence.elsewhere()) {
        let named = |cases: &[Case]| cases.iter().any(|case| case.sentences.contains(&sentence.id));
        // Companions stand above the traits: one test for all backends shows what they promise.
        let companion = sentence.letter() == 'T' && named(&tests);
        if !(companion || named(&subject.suite.cases)) {
            findings
                .push(Finding::new(&sentence.place, format!("{}: no case names it, and no tag says why", sentence.id)));
        }
    }
    findings
}

pub(super) fn mutants(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for sentence in contract::sentences(&subject.tree) {
        let due = sentence.refuses && !sentence.elsewhere() && sentence.letter() != 'T';
        if due && !subject.suite.mutants.iter().any(|mutant| mutant.sentences.contains(&sentence.id)) {
            findings.push(Finding::new(&sentence.place, format!("{}: no mutant breaks it", sentence.id)));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{
        super::{suite::Suite, tree::tree},
        *,
    };

    const CONTRACT: &str =
        "- **S-1** A. [refuses]\n- **S-2** B. [faults]\n- **T-1** C.\n- **E-1** D. [refuses] [servers]\n";

    fn subject(cases: &[&str], mutants: &[&str], source: &str) -> Subject {
        let of = |ids: &[&str]| {
            ids.iter().map(|id| Case { name: "c".into(), sentences: vec![(*id).to_owned()] }).collect::<Vec<_>>()
        };
        let suite = Suite { backends: vec!["memory".into()], cases: of(cases), mutants: of(mutants) };
        Subject { suite, ..tree(&[(contract::PATH, CONTRACT), ("src/a.rs", source)]) }
    }

    fn ids(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.text.split([':', ' ']).next().unwrap()).collect()
    }

    #[test]
    fn sentences_without_a_case_are_found() {
        let test = concat!("// ", "T-1\n#[test]\nfn t() {}\n");
        assert_eq!(ids(&cases(&subject(&[], &[], ""))), ["S-1", "T-1"]);
        assert_eq!(cases(&subject(&["S-1", "T-1"], &[], "")), []);
        assert_eq!(cases(&subject(&["S-1"], &[], test)), []);
        // A test inside a crate shows nothing about backends.
        assert_eq!(ids(&cases(&subject(&["T-1"], &[], &test.replace("T-1", "S-1")))), ["S-1"]);
    }

    #[test]
    fn refusals_without_a_mutant_are_found() {
        assert_eq!(ids(&mutants(&subject(&[], &[], ""))), ["S-1"]);
        assert_eq!(mutants(&subject(&[], &["S-1"], "")), []);
    }

    #[test]
    fn ids_that_do_not_exist_are_found() {
        assert_eq!(names(&subject(&["S-1"], &["S-1"], "")), []);
        assert_eq!(
            ids(&names(&subject(&["S-9"], &["L-1"], concat!("// ", "T-7\n#[test]\nfn t() {}\n")))),
            ["S-9", "L-1", "T-7"]
        );
        let mut nameless = subject(&["S-1"], &[], "");
        nameless.suite.cases[0].sentences.clear();
        assert_eq!(names(&nameless)[0].text, "names no sentence");
    }
}
