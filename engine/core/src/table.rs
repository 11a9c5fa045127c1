//! An open-addressing hash table from 64-bit keys to 32-bit references, sized once.
//!
//! Invariants:
//! 1. Linear probing without tombstones: removal shifts back what follows, so a probe never gets longer with age.
//! 2. Key 0 means "empty"; callers never store it.
//! 3. At most two thirds of the places are used; more is a broken bound of the engine and panics.
//! 4. There is no iteration: the order of places depends on history, and must never show (DOMAIN §5.7).

/// One place; four fill a cache line.
#[derive(Clone, Copy, Default)]
struct Place {
    key: u64,
    reference: u32,
    _unused: u32,
}

/// See the module.
#[derive(Clone)]
pub struct Table {
    places: Vec<Place>,
    mask: usize,
    shift: u32,
    len: usize,
    capacity: usize,
}

impl Table {
    /// A table with room for `capacity` keys.
    pub fn new(capacity: usize) -> Self {
        let places = (capacity + capacity / 2 + 16).next_power_of_two();
        Self {
            places: vec![Place::default(); places],
            mask: places - 1,
            shift: 64 - places.trailing_zeros(),
            len: 0,
            capacity,
        }
    }

    #[inline]
    fn home(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }

    /// The reference stored under `key` for which `is_it` holds. Different entries may share a key.
    #[inline]
    pub fn find(&self, key: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(key);
        loop {
            let place = self.places[at];
            if place.key == 0 {
                return None;
            }
            if place.key == key && is_it(place.reference) {
                return Some(place.reference);
            }
            at = (at + 1) & self.mask;
        }
    }

    /// Adds an entry. The caller has made sure that it is not there.
    #[inline]
    pub fn insert(&mut self, key: u64, reference: u32) {
        assert!(key != 0 && self.len < self.capacity, "table bound: {} of {}", self.len, self.capacity);
        let mut at = self.home(key);
        while self.places[at].key != 0 {
            at = (at + 1) & self.mask;
        }
        self.places[at] = Place { key, reference, _unused: 0 };
        self.len += 1;
    }

    #[inline]
    fn position(&self, key: u64, reference: u32) -> usize {
        let mut at = self.home(key);
        loop {
            let place = self.places[at];
            assert!(place.key != 0, "an entry to change is in the table");
            if place.key == key && place.reference == reference {
                return at;
            }
            at = (at + 1) & self.mask;
        }
    }

    /// Changes the reference of an entry that is there.
    #[inline]
    pub fn repoint(&mut self, key: u64, from: u32, to: u32) {
        let at = self.position(key, from);
        self.places[at].reference = to;
    }

    /// Removes an entry that is there.
    #[inline]
    pub fn remove(&mut self, key: u64, reference: u32) {
        let mut hole = self.position(key, reference);
        self.len -= 1;
        let mut at = hole;
        loop {
            at = (at + 1) & self.mask;
            let place = self.places[at];
            if place.key == 0 {
                break;
            }
            // The entry may move into the hole if its home does not lie behind the hole.
            let home = self.home(place.key);
            if at.wrapping_sub(home) & self.mask >= at.wrapping_sub(hole) & self.mask {
                self.places[hole] = place;
                hole = at;
            }
        }
        self.places[hole] = Place::default();
    }

    /// Entries in the table.
    pub fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn behaves_like_a_map_under_random_use() {
        let mut table = Table::new(200);
        let mut model = BTreeMap::new();
        let mut seed = 7u64;
        for step in 0..200_000u32 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let key = (seed >> 33) % 300 + 1;
            match model.remove(&key) {
                Some(reference) => table.remove(key, reference),
                None if model.len() < 200 => {
                    model.insert(key, step);
                    table.insert(key, step);
                }
                None => {}
            }
            if step % 97 == 0 {
                for key in 1..=300 {
                    assert_eq!(table.find(key, |_| true), model.get(&key).copied(), "step {step}, key {key}");
                }
            }
        }
        assert_eq!(table.len(), model.len());
    }
}
