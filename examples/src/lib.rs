//! Where the examples run: in memory, or on the server whose URL is their argument, as in
//! `cargo run -p examples --features redis --bin conflict -- redis://localhost`.

#[cfg(feature = "redis")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, fmt, sync::Arc};

use concurrency::{Backend, Memory, Result};

/// The place of one run: nothing stands there yet. On a server it has names of its own, which are removed when this is
/// dropped.
#[derive(Default)]
pub struct Place {
    memory: Memory,
    url: Option<String>,
    #[cfg(feature = "redis")]
    names: Option<Names>,
}

impl Place {
    /// The place that the first argument of the program names; in memory without one.
    #[must_use]
    pub fn of_this_run() -> Self {
        let place = Self { url: env::args().nth(1), ..Self::default() };
        #[cfg(feature = "redis")]
        if let Some(corner) = place.url.as_deref().and_then(|url| servers::Corner::new(url, "example")) {
            let names = Names { corner: corner.clone(), used: AtomicBool::new(false) };
            return Self { url: Some(corner.url().to_owned()), names: Some(names), ..place };
        }
        place
    }

    /// Another client of it, as another instance of a service would be.
    ///
    /// # Errors
    /// Those of [`concurrency::connect`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn connect(&self) -> Result<Arc<dyn Backend>> {
        match &self.url {
            Some(url) => {
                let client = concurrency::connect(url).await?;
                #[cfg(feature = "redis")]
                self.names.iter().for_each(|names| names.used.store(true, Ordering::Relaxed));
                Ok(client)
            }
            None => Ok(Arc::new(self.memory.another_client())),
        }
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("is_memory", &self.url.is_none()).finish_non_exhaustive()
    }
}

/// What is ours on a server that others use, too.
#[cfg(feature = "redis")]
struct Names {
    corner: servers::Corner,
    /// Something may stand there.
    used: AtomicBool,
}

#[cfg(feature = "redis")]
impl Drop for Names {
    fn drop(&mut self) {
        if *self.used.get_mut()
            && let Err(why) = self.corner.clear()
        {
            eprintln!("{why}");
        }
    }
}
