//! Recency order over small indices.

/// No neighbour.
const END: usize = usize::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    older: usize,
    newer: usize,
    linked: bool,
}

/// A doubly linked list over indices, least recently touched first; every operation is O(1).
#[derive(Debug)]
pub(crate) struct LruList {
    links: Vec<Link>,
    oldest: usize,
    newest: usize,
}

impl Default for LruList {
    fn default() -> Self {
        Self { links: Vec::new(), oldest: END, newest: END }
    }
}

impl LruList {
    /// Makes `index` the most recent, whether it was in the list or not.
    pub(crate) fn touch(&mut self, index: usize) {
        if index >= self.links.len() {
            self.links.resize(index + 1, Link { older: END, newer: END, linked: false });
        }
        self.remove(index);
        self.links[index] = Link { older: self.newest, newer: END, linked: true };
        match self.newest {
            END => self.oldest = index,
            newest => self.links[newest].newer = index,
        }
        self.newest = index;
    }

    /// Takes `index` out, if it is in the list.
    pub(crate) fn remove(&mut self, index: usize) {
        let Link { older, newer, linked } = self.links[index];
        if !linked {
            return;
        }
        match older {
            END => self.oldest = newer,
            older => self.links[older].newer = newer,
        }
        match newer {
            END => self.newest = older,
            newer => self.links[newer].older = older,
        }
        self.links[index].linked = false;
    }

    /// All indices, least recently touched first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        let known = |index: usize| (index != END).then_some(index);
        std::iter::successors(known(self.oldest), move |&index| known(self.links[index].newer))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_the_last_touches(
            actions in prop::collection::vec((any::<bool>(), 0..8_usize), 0..60),
        ) {
            let (mut list, mut expected) = (LruList::default(), Vec::new());
            for (touch, index) in actions {
                if touch {
                    list.touch(index);
                } else if index < list.links.len() {
                    list.remove(index);
                }
                expected.retain(|&known| known != index);
                if touch {
                    expected.push(index);
                }
                prop_assert_eq!(list.iter().collect::<Vec<_>>(), expected.clone());
            }
        }
    }
}
