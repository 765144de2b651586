//! The Docker engine of this machine, through its command line.

use std::{
    io,
    process::{Command, Output, Stdio},
};

use crate::{Kind, Unavailable, compose::Image};

/// The Docker engine of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Engine;

impl Engine {
    /// Its version.
    ///
    /// # Errors
    /// If there is none, or none that answers this user.
    pub fn version() -> Result<String, Unavailable> {
        let output = match docker(&["version", "--format", "{{.Server.Version}}"]) {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Unavailable::new("no program docker").or(INSTALL));
            }
            Err(error) => return Err(Unavailable::new(format!("docker: {error}"))),
        };
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && !version.is_empty() {
            return Ok(version);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let why = if said.contains("permission denied") { "does not let this user in" } else { "does not answer" };
        Err(Unavailable::new(format!("a Docker engine {why}")).or(INSTALL))
    }

    /// Whether it answers.
    #[must_use]
    pub fn answers() -> bool {
        Self::version().is_ok()
    }

    /// Whether it has this image.
    #[must_use]
    pub fn has(image: &str) -> bool {
        docker(&["image", "inspect", image]).is_ok_and(|output| output.status.success())
    }

    /// The image for a kind of server, which is there when this returns: the one that the environment names; else the
    /// official one, if it is there already; else the one that `cargo xtask images` has built; else the official one,
    /// pulled.
    ///
    /// # Errors
    /// If none can be had.
    pub fn image(kind: Kind) -> Result<String, Unavailable> {
        let named = Image::of(kind.name()).ok_or_else(|| Unavailable::new(format!("no image is known for {kind}")))?;
        let (image, has_choice) = choose(&named, named.chosen(), &kind.built_image(), Self::has);
        if Self::has(&image) {
            return Ok(image);
        }
        eprintln!("pulling {image}");
        let pulled = docker(&["pull", "--quiet", &image]).is_ok_and(|output| output.status.success());
        if pulled {
            return Ok(image);
        }
        let missing = Unavailable::new(format!("the image {image} is not here and cannot be pulled"));
        let other = format!("cargo xtask images builds one from packages of Debian; {} names another", named.variable);
        Err(if has_choice { missing } else { missing.or(other) })
    }
}

const INSTALL: &str = "on Debian, as root: cargo xtask test --install";

/// Which image, and whether that is the caller's choice.
fn choose(named: &Image, chosen: Option<String>, built: &str, is_here: impl Fn(&str) -> bool) -> (String, bool) {
    match chosen {
        Some(image) => (image, true),
        None if !is_here(&named.official) && is_here(built) => (built.to_owned(), false),
        None => (named.official.clone(), false),
    }
}

/// What a command of it answers.
pub(crate) fn docker(arguments: &[&str]) -> io::Result<Output> {
    Command::new("docker").args(arguments).stdin(Stdio::null()).output()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_the_callers_choice_then_what_is_here() {
        let named = Image { variable: "V".into(), official: "redis:8".into() };
        let chosen = |chosen: Option<&str>, here: &[&str]| {
            choose(&named, chosen.map(str::to_owned), "built", |image| here.contains(&image)).0
        };
        assert_eq!(chosen(Some("mine"), &["redis:8", "built"]), "mine");
        assert_eq!(chosen(None, &["redis:8", "built"]), "redis:8");
        assert_eq!(chosen(None, &["built"]), "built");
        assert_eq!(chosen(None, &[]), "redis:8");
    }
}
