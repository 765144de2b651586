//! Messages under way.

/// Messages without an order: any of them may come next, or never. Equal ones are kept apart by their number only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Bag<T>(Vec<T>);

impl<T> Default for Bag<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord + Clone> Bag<T> {
    /// One more is under way.
    pub(crate) fn put(&mut self, message: T) {
        let at = self.0.partition_point(|other| *other <= message);
        self.0.insert(at, message);
    }

    /// This one has arrived.
    ///
    /// # Panics
    /// If none like it is under way.
    pub(crate) fn take(&mut self, message: &T) {
        let at = self.0.binary_search(message).expect("it is under way");
        self.0.remove(at);
    }

    /// Drops those for which this is false.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain(keep);
    }

    /// Each that may come next, equal ones once.
    pub(crate) fn each(&self) -> impl Iterator<Item = &T> {
        self.0.chunk_by(|one, other| one == other).map(|same| &same[0])
    }

    /// Whether there is one like this.
    #[must_use]
    pub(crate) fn any(&self, like: impl FnMut(&T) -> bool) -> bool {
        self.0.iter().any(like)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_orders_of_sending_are_one_state() {
        let (mut one, mut other) = (Bag::default(), Bag::default());
        [1, 2, 2].into_iter().for_each(|message| one.put(message));
        [2, 1, 2].into_iter().for_each(|message| other.put(message));
        assert_eq!(one, other);
        assert_eq!(one.each().collect::<Vec<_>>(), [&1, &2]);
        one.take(&2);
        assert!(one.any(|message| *message == 2));
        one.retain(|message| *message != 2);
        assert_eq!(one.each().collect::<Vec<_>>(), [&1]);
    }
}
