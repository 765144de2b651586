//! Which servers this version knows, and how the caller wants to have them.

use crate::Problem;

/// What `--backend` and `--require` may name. Those of later versions are not listed before they exist.
const KNOWN: &[&str] = &["memory", "sqlite"];

/// Where servers come from.
const VIAS: &[&str] = &["containers", "local", "url"];

/// What the caller asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `--via`.
    pub(crate) via: Option<String>,
    /// `--require`, in order.
    pub(crate) require: Vec<String>,
}

impl Wanted {
    /// Takes a `--via`.
    pub(crate) fn via(&mut self, via: &str) -> Result<(), Problem> {
        if !VIAS.contains(&via) {
            return Err(format!("--via {via}: {} are possible", VIAS.join(", ")));
        }
        self.via = Some(via.to_owned());
        Ok(())
    }

    /// Takes a `--require`.
    pub(crate) fn require(&mut self, name: &str) -> Result<(), Problem> {
        if name != "all" && !KNOWN.contains(&name) {
            return Err(format!("--require {name}: this version knows {}, and all", KNOWN.join(", ")));
        }
        self.require.push(name.to_owned());
        Ok(())
    }

    /// The arguments for `conformance`.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let via = self.via.iter().flat_map(|via| ["--via".to_owned(), via.clone()]);
        via.chain(self.require.iter().flat_map(|name| ["--require".to_owned(), name.clone()])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_exists_can_be_required() {
        let mut wanted = Wanted::default();
        wanted.require("memory").unwrap();
        wanted.require("all").unwrap();
        wanted.via("local").unwrap();
        assert_eq!(wanted.arguments(), ["--via", "local", "--require", "memory", "--require", "all"]);
        assert!(wanted.require("redis").unwrap_err().contains("memory"));
        assert!(wanted.via("telepathy").is_err());
    }
}
