//! Where the shop of a run is stored.

use servers::{Corner, Kind};

use super::folder::Folder;

/// The backend of a run, as its processes are told of it.
#[derive(Debug)]
pub(super) struct Place {
    url: String,
    /// The part that a run has of a server that others use, too.
    corner: Option<Corner>,
    /// Something may stand there.
    used: bool,
    keep: bool,
}

impl Place {
    /// A file in the run's folder.
    pub(super) fn in_folder(folder: &Folder) -> Self {
        Self { url: format!("sqlite:{}", folder.file("shop.db")), corner: None, used: false, keep: true }
    }

    /// A server that nobody else uses.
    pub(super) fn on_own_server(url: &str) -> Self {
        Self { url: url.to_owned(), corner: None, used: false, keep: true }
    }

    /// Where the caller says: on a server in names of its own, which are removed in the end, unless they are kept.
    pub(super) fn at(url: &str, keep: bool) -> Self {
        let corner = Kind::of_url(url).and_then(|_| Corner::new(url, "demo"));
        let url = corner.as_ref().map_or(url, Corner::url).to_owned();
        Self { url, corner, used: false, keep }
    }

    /// What its processes connect to. It may hold a password.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// From now on something may stand there.
    pub(super) fn is_used(&mut self) {
        self.used = true;
    }

    /// What is kept, for people.
    pub(super) fn kept(&self) -> String {
        let url = without_login(&self.url);
        match &self.corner {
            Some(corner) => {
                let server = url.split('?').next().unwrap_or(&url);
                format!("what begins with {}: at {server}", corner.prefix())
            }
            None => url,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(corner) = self.corner.as_ref().filter(|_| self.used && !self.keep) else { return };
        if let Err(why) = corner.clear() {
            eprintln!("cargo xtask demo: {why}");
        }
    }
}

/// A URL without user and password, for people to see.
pub(super) fn without_login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_names_of_its_own_on_a_server_and_shows_no_password() {
        let (one, other) =
            (Place::at("redis://:secret@h:1/2?max_value=9", true), Place::at("redis://:secret@h:1", true));
        assert!(one.url().starts_with("redis://:secret@h:1/2?max_value=9&key_prefix=concurrency:demo-"));
        assert_ne!(one.url().rsplit_once('-'), other.url().rsplit_once('-'));
        let kept = one.kept();
        assert!(
            kept.starts_with("what begins with concurrency:demo-") && kept.ends_with(": at redis://h:1/2"),
            "{kept}"
        );
    }

    #[test]
    fn a_file_is_where_the_caller_says() {
        assert_eq!(Place::at("sqlite:shop.db", false).url(), "sqlite:shop.db");
    }

    #[test]
    fn a_login_is_not_shown() {
        assert_eq!(without_login("rediss://u:p%40@h/0?a=b@c"), "rediss://h/0?a=b@c");
        assert_eq!(without_login("redis://h"), "redis://h");
        assert_eq!(without_login("sqlite:a@b"), "sqlite:a@b");
    }
}
