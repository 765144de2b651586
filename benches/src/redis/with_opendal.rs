//! OpenDAL's Redis service, with its defaults: a pool of ten connections, and a whole read is a `GET`.

use opendal::{Operator, services};

use super::{operation::VALUE, side::NAMES};
use crate::turn::Operation;

/// Keeps blobs under paths.
#[derive(Clone)]
pub(super) struct WithOpendal(Operator);

impl WithOpendal {
    pub(super) async fn open(url: &str) -> opendal::Result<Self> {
        let opened = Self(Operator::new(services::Redis::default().endpoint(url).root("/opendal"))?);
        for key in NAMES.all() {
            opened.0.write(&key, VALUE).await?;
        }
        Ok(opened)
    }
}

/// Reads a blob.
#[derive(Clone)]
pub(super) struct Get(pub(super) WithOpendal);

impl Operation for Get {
    async fn once(&self, name: &str) {
        assert_eq!(self.0.0.read(name).await.expect("it is there").len(), VALUE.len());
    }
}

/// Writes a blob.
#[derive(Clone)]
pub(super) struct Set(pub(super) WithOpendal);

impl Operation for Set {
    async fn once(&self, name: &str) {
        self.0.0.write(name, VALUE).await.expect("written");
    }
}
