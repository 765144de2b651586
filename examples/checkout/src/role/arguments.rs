//! The arguments of a role: names and values.

use std::{collections::BTreeMap, ffi::OsString, fmt::Display, str::FromStr};

/// Values by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    values: BTreeMap<String, String>,
}

impl Arguments {
    /// Reads `--name value` again and again.
    ///
    /// # Errors
    /// In words: what is no name, has no value, or is said twice.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let words = |error: lexopt::Error| error.to_string();
        let mut parser = lexopt::Parser::from_args(arguments);
        let mut values = BTreeMap::new();
        while let Some(argument) = parser.next().map_err(words)? {
            let lexopt::Arg::Long(name) = argument else { return Err(words(argument.unexpected())) };
            let name = name.to_owned();
            let value = parser.value().map_err(words)?.into_string();
            let value = value.map_err(|_| format!("--{name}: its value is not UTF-8"))?;
            if values.insert(name.clone(), value).is_some() {
                return Err(format!("--{name} is given twice"));
            }
        }
        Ok(Self { values })
    }

    /// A value that must be there.
    pub(super) fn text(&self, name: &str) -> Result<&str, String> {
        self.values.get(name).map(String::as_str).ok_or_else(|| format!("--{name} is missing"))
    }

    /// A value that must be there, read.
    pub(super) fn value<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, String> {
        self.text(name)?.parse().map_err(|why| format!("--{name}: {why}"))
    }

    /// A value that need not be there, read.
    pub(super) fn option<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, String> {
        self.values.contains_key(name).then(|| self.value(name)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn values_are_found_by_name() {
        let arguments = parse("--url sqlite:x --number=7").unwrap();
        assert_eq!(arguments.text("url"), Ok("sqlite:x"));
        assert_eq!(arguments.value::<u32>("number"), Ok(7));
        assert_eq!(arguments.option::<u32>("port"), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, names) in [("--url", "url"), ("x", "x"), ("--a 1 --a 2", "--a is given twice")] {
            assert!(parse(line).unwrap_err().contains(names), "{line}");
        }
        let arguments = parse("--number seven").unwrap();
        assert!(arguments.value::<u32>("number").unwrap_err().starts_with("--number: "));
        assert_eq!(arguments.text("url").unwrap_err(), "--url is missing");
    }
}
