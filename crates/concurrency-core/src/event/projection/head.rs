//! What is stored about a projection beside its rows.

use serde::{Deserialize, Serialize};

use crate::{Checkpoint, Codec, Error, FencingToken, Precondition, Result, SaveOptions, StateStore, Version, Write};

/// The format of a [`Head`]. A higher one is refused.
const FORMAT: u8 = 1;

/// How far a projection is. Its key is the projection's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    format: u8,
    /// The last event that is in the rows.
    pub(super) checkpoint: Option<Checkpoint>,
    /// A rebuild was decided, and there may still be rows to drop.
    pub(super) clearing: bool,
}

/// A [`Head`] as loaded, and what the next one must find.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) head: Head,
    pub(super) version: Option<Version>,
}

impl Head {
    pub(super) const fn at(checkpoint: Option<Checkpoint>) -> Self {
        Self { format: FORMAT, checkpoint, clearing: false }
    }

    pub(super) const fn to_be_cleared() -> Self {
        Self { format: FORMAT, checkpoint: None, clearing: true }
    }

    pub(super) async fn load(store: &dyn StateStore, name: &str) -> Result<Stored> {
        let Some(state) = store.load(name).await? else {
            return Ok(Stored { head: Self::at(None), version: None });
        };
        #[derive(Deserialize)]
        struct Format {
            format: u8,
        }
        let Format { format } = Codec::Json.decode(&state.value)?;
        if format > FORMAT {
            let (found, wanted) = (format.to_string().into(), format!("at most {FORMAT}").into());
            return Err(Error::Incompatible { what: "checkpoint of a projection", found, wanted });
        }
        Ok(Stored { head: Codec::Json.decode(&state.value)?, version: Some(state.version) })
    }
}

impl Stored {
    /// Over this one, and nothing else.
    pub(super) fn replace(&self, name: &str, next: &Head, token: Option<FencingToken>) -> Result<Write> {
        let mut options = SaveOptions::new().when(self.version.map_or(Precondition::Absent, Precondition::Match));
        if let Some(token) = token {
            options = options.fenced_by(token);
        }
        Ok(Write::save(name, Codec::Json.encode(next)?, options))
    }
}
