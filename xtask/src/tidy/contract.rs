//! `docs/contract.md`: the sentences, their ids and their tags.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Subject, tree::Tree};

pub(super) const PATH: &str = "docs/contract.md";

/// The letters of ids, and what they stand for, in the order of the document.
pub(super) const LETTERS: &[(char, &str)] = &[
    ('G', "Common rules"),
    ('S', "State store"),
    ('C', "Cache"),
    ('L', "Lock"),
    ('E', "Event store"),
    ('T', "Typed layer and companions"),
];

/// A sentence of the contract.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) place: String,
    pub(super) id: String,
    /// Without the tags.
    pub(super) text: String,
    pub(super) refuses: bool,
    pub(super) faults: bool,
    pub(super) servers: bool,
    /// The reason why no case is possible.
    pub(super) by_review: Option<String>,
    /// Tags that mean nothing.
    unknown: Vec<String>,
}

impl Sentence {
    /// Shown somewhere else than in levels 1 to 4 of the suite.
    pub(super) fn elsewhere(&self) -> bool {
        self.faults || self.servers || self.by_review.is_some()
    }

    /// The first character of its id.
    pub(super) fn letter(&self) -> char {
        self.id.chars().next().unwrap_or_default()
    }
}

/// Whether this is an id like `S-12`.
pub(super) fn is_id(text: &str) -> bool {
    let Some((letter, number)) = text.split_once('-') else { return false };
    let digits = !number.is_empty() && number.len() <= 3 && number.bytes().all(|c| c.is_ascii_digit());
    LETTERS.iter().any(|(known, _)| *letter == known.to_string()) && digits && !number.starts_with('0')
}

/// The sentences, in the order of the document.
pub(super) fn sentences(tree: &Tree) -> Vec<Sentence> {
    let mut sentences: Vec<Sentence> = Vec::new();
    let mut open = false;
    for (place, line) in tree.file(PATH).into_iter().flat_map(|file| file.lines()) {
        if let Some((id, text)) = line.strip_prefix("- **").and_then(|rest| rest.split_once("** ")) {
            sentences.push(Sentence { place, id: id.to_owned(), text: text.trim().to_owned(), ..Sentence::default() });
            open = true;
        } else if open && line.starts_with("  ") {
            let last = sentences.last_mut().expect("one is open");
            last.text = format!("{} {}", last.text, line.trim());
        } else {
            open = false;
        }
    }
    sentences.iter_mut().for_each(take_tags);
    sentences
}

/// Moves the tags from the end of the text to where they belong.
fn take_tags(sentence: &mut Sentence) {
    while let Some((rest, tag)) = sentence.text.strip_suffix(']').and_then(|text| text.rsplit_once(" [")) {
        match tag.split_once(": ").unwrap_or((tag, "")) {
            ("refuses", "") => sentence.refuses = true,
            ("faults", "") => sentence.faults = true,
            ("servers", "") => sentence.servers = true,
            ("by review", reason) if !reason.is_empty() => sentence.by_review = Some(reason.to_owned()),
            _ => sentence.unknown.push(tag.to_owned()),
        }
        sentence.text = rest.trim_end().to_owned();
    }
}

pub(super) fn well_formed(subject: &Subject) -> Vec<Finding> {
    let sentences = sentences(&subject.tree);
    let mut findings = Vec::new();
    let mut numbers = BTreeMap::<char, BTreeSet<usize>>::new();
    for sentence in &sentences {
        let mut broken = |text: String| findings.push(Finding::new(&sentence.place, text));
        if !is_id(&sentence.id) {
            broken(format!("{} is not an id like S-12", sentence.id));
            continue;
        }
        let number = sentence.id[2..].parse().expect("checked");
        if !numbers.entry(sentence.letter()).or_default().insert(number) {
            broken(format!("{} stands here a second time", sentence.id));
        }
        for tag in &sentence.unknown {
            broken(format!("{}: [{tag}] is not a tag, or has no reason", sentence.id));
        }
        if sentence.text.is_empty() || !sentence.text.ends_with(['.', ')']) {
            broken(format!("{}: a sentence ends with a full stop, before its tags", sentence.id));
        }
    }
    for (letter, _) in LETTERS {
        let numbers = numbers.remove(letter).unwrap_or_default();
        let last = numbers.last().copied().unwrap_or_default();
        if last == 0 {
            findings.push(Finding::new(PATH, format!("no sentence {letter}-1")));
        }
        for missing in (1..=last).filter(|number| !numbers.contains(number)) {
            findings.push(Finding::new(PATH, format!("{letter}-{missing} is missing: ids have no gaps")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, *};

    const GOOD: &str = "- **G-1** A.\n- **S-1** B, and\n  more. [refuses]\n  [faults]\n\nText.\n- **C-1** C.\n- **L-1** D.\n\
        - **E-1** E. [by review: it cannot be seen]\n- **T-1** F.\n";

    #[test]
    fn sentences_are_read() {
        let all = sentences(&tree(&[(PATH, GOOD)]).tree);
        assert_eq!(all.len(), 6);
        assert_eq!((&*all[1].text, all[1].refuses, all[1].faults, all[1].servers), ("B, and more.", true, true, false));
        assert_eq!(all[4].by_review.as_deref(), Some("it cannot be seen"));
        assert!(all[4].elsewhere() && !all[5].elsewhere());
        assert_eq!(well_formed(&tree(&[(PATH, GOOD)])), []);
    }

    #[test]
    fn what_is_not_well_formed_is_found() {
        for (bad, says) in [
            ("- **S-01** X.", "not an id"),
            ("- **X-1** X.", "not an id"),
            ("- **S-1** X.", "a second time"),
            ("- **S-3** X.", "S-2 is missing"),
            ("- **S-2** X. [refused]", "not a tag"),
            ("- **S-2** X. [by review]", "not a tag"),
            ("- **S-2** X [refuses]", "full stop"),
        ] {
            let found = well_formed(&tree(&[(PATH, &format!("{GOOD}{bad}\n"))]));
            assert!(found.len() == 1 && found[0].text.contains(says), "{bad}: {found:?}");
        }
        assert!(well_formed(&tree(&[])).len() >= LETTERS.len());
    }
}
