//! The text files of the repository, held in memory.

use std::{fs, path::Path};

use crate::Problem;

/// A text file.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// From the root of the repository, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

/// All files that the rules look at; those that are no text are empty.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

/// Hidden folders that belong to the repository.
const HIDDEN: &[&str] = &[".cargo", ".ci", ".github"];

impl Tree {
    /// Reads the repository: all of it but what is built, hidden or not text.
    pub(super) fn read(root: &Path) -> Result<Self, Problem> {
        let mut tree = Self::default();
        tree.read_folder(root, "")?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> Result<(), Problem> {
        let fail = |error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let (path, kind) = (format!("{prefix}{name}"), entry.file_type().map_err(fail)?);
            if kind.is_dir() {
                let hidden = name.starts_with('.') && !HIDDEN.contains(&name.as_str());
                if !hidden && name != "target" {
                    self.read_folder(&entry.path(), &format!("{path}/"))?;
                }
            } else if kind.is_file() {
                // What is no text, a picture, has no lines; documents may refer to it.
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                self.files.push(File { path, text });
            }
        }
        Ok(())
    }

    /// The file with this path.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The text of the file with this path, empty where there is none.
    pub(super) fn text(&self, path: &str) -> &str {
        self.file(path).map_or("", |file| &file.text)
    }

    /// The files whose names end like this.
    pub(super) fn ending(&self, end: &'static str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.path.ends_with(end))
    }
}

impl File {
    /// Its lines, with their place.
    pub(super) fn lines(&self) -> impl Iterator<Item = (String, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (format!("{}:{}", self.path, index + 1), line))
    }

    /// The folder that it stands in, empty for the root, otherwise with `/` at the end.
    pub(super) fn folder(&self) -> &str {
        self.path.rfind('/').map_or("", |end| &self.path[..=end])
    }
}

#[cfg(test)]
pub(super) fn tree(files: &[(&str, &str)]) -> super::Subject {
    let files = files.iter().map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() }).collect();
    super::Subject { tree: Tree { files }, ..super::Subject::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_read() {
        let tree = Tree::read(&crate::programs::root()).unwrap();
        assert!(tree.file("xtask/src/tidy/tree.rs").is_some() && tree.file(".ci/run").is_some());
        assert_eq!(
            tree.file("docs/demo.png").map(|file| &*file.text),
            Some(""),
            "a picture is there, and has no lines"
        );
        assert!(!tree.files.iter().any(|file| file.path.contains("target/") || file.path.starts_with(".git/")));
    }
}
