//! The images of the servers, as `docker-compose.yml` names them: the one place that does.

use std::env;

const FILE: &str = include_str!("../../docker-compose.yml");

/// An image, as a service of the file names it: `${VARIABLE:-image:tag}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// The environment variable that names another one.
    pub(crate) variable: String,
    /// What is used where the variable is not set, or empty.
    pub(crate) official: String,
}

impl Image {
    /// The image of a service.
    pub(crate) fn of(service: &str) -> Option<Self> {
        Self::in_file(FILE, service)
    }

    /// What the environment says instead.
    pub(crate) fn chosen(&self) -> Option<String> {
        env::var(&self.variable).ok().filter(|name| !name.is_empty())
    }

    fn in_file(file: &str, service: &str) -> Option<Self> {
        let mut lines = file.lines().skip_while(|line| line.trim_end() != format!("  {service}:")).skip(1);
        let mut own = lines.by_ref().take_while(|line| line.is_empty() || line.starts_with("    "));
        let image = own.find_map(|line| line.trim().strip_prefix("image:"))?;
        let named = image.trim().trim_matches('"').strip_prefix("${")?.strip_suffix('}')?;
        let (variable, official) = named.split_once(":-")?;
        Some(Self { variable: variable.to_owned(), official: official.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn every_kind_is_a_service_whose_image_can_be_chosen() {
        for kind in Kind::ALL {
            let image = Image::of(kind.name()).unwrap_or_else(|| panic!("{kind} has no image"));
            assert_eq!(image.variable, kind.image_variable());
            assert!(image.official.contains(':'), "{image:?} names no version");
        }
    }

    #[test]
    fn an_image_belongs_to_its_own_service() {
        let file = "services:\n  a:\n    ports: []\n\n    image: \"${A:-x/a:1}\"\n  b:\n    image: fixed\n  c:\n    image: ${C:-c:2}\n";
        assert_eq!(Image::in_file(file, "a"), Some(Image { variable: "A".into(), official: "x/a:1".into() }));
        assert_eq!(Image::in_file(file, "b"), None);
        assert_eq!(Image::in_file(file, "c").unwrap().official, "c:2");
        assert_eq!(Image::in_file(file, "d"), None);
    }
}
