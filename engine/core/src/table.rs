//! An open-addressing hash table from 32-bit tags to 32-bit references, sized once.
//!
//! ```text
//!  tag: [ home ][ rest ]     place: tag, reference: 8 bytes, eight to a cache line
//! ```
//!
//! Invariants:
//! 1. Linear probing without tombstones: removal shifts back what follows, so a probe never gets longer with age.
//! 2. A tag's upper bits are its home, so moving a place needs nothing but the place. Different keys may share a tag: the
//!    caller compares what the reference leads to.
//! 3. At most two thirds of the places are used; more is a broken bound of the engine and panics.
//! 4. There is no iteration: the order of places depends on history, and must never show (DOMAIN §5.7).

/// References of empty places.
const NIL: u32 = u32::MAX;
/// Places in a cache line, and numbers with neighbouring homes.
const BLOCK: usize = 8;
const BLOCK_BITS: u32 = BLOCK.trailing_zeros();

#[derive(Clone, Copy)]
struct Place {
    tag: u32,
    reference: u32,
}

const EMPTY: Place = Place { tag: 0, reference: NIL };

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([Place; BLOCK]);

/// See the module.
#[derive(Clone)]
pub struct Table {
    lines: Vec<Line>,
    mask: usize,
    shift: u32,
    len: usize,
    capacity: usize,
}

impl Table {
    /// A table with room for `capacity` keys, fewer than 2^31.
    pub fn new(capacity: usize) -> Self {
        let places = (capacity + capacity / 2 + 16).next_power_of_two();
        assert!(places <= 1 << 32, "a home is part of a tag");
        Self {
            lines: vec![Line([EMPTY; BLOCK]); places / BLOCK],
            mask: places - 1,
            shift: 32 - places.trailing_zeros(),
            len: 0,
            capacity,
        }
    }

    /// Tag of a key whose hash is good in all bits.
    #[inline]
    pub fn tag_of_hash(&self, hash: u64) -> u32 {
        (hash >> 32) as u32
    }

    /// Tag of a number from a counter: eight consecutive numbers have eight consecutive homes, blocks of eight are spread.
    #[inline]
    pub fn tag_of_number(&self, number: u64) -> u32 {
        let spread = ((number >> BLOCK_BITS).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32;
        let rest = (1 << self.shift) - 1;
        let within = (number as u32 & (BLOCK as u32 - 1)) << self.shift;
        spread & !((rest << BLOCK_BITS) | (BLOCK as u32 - 1)) | within | spread >> BLOCK_BITS & rest
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        (tag >> self.shift) as usize
    }

    #[inline]
    fn place(&self, at: usize) -> Place {
        self.lines[at / BLOCK].0[at % BLOCK]
    }

    #[inline]
    fn place_mut(&mut self, at: usize) -> &mut Place {
        &mut self.lines[at / BLOCK].0[at % BLOCK]
    }

    /// The reference stored under `tag` for which `is_it` holds.
    #[inline]
    pub fn find(&self, tag: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(tag);
        loop {
            let place = self.place(at);
            if place.reference == NIL {
                return None;
            }
            if place.tag == tag && is_it(place.reference) {
                return Some(place.reference);
            }
            at = (at + 1) & self.mask;
        }
    }

    /// Reads the place where looking for a tag begins; the number means nothing.
    #[inline]
    pub fn read_line(&self, tag: u32) -> u32 {
        self.place(self.home(tag)).reference
    }

    /// Adds an entry. The caller has made sure that it is not there.
    #[inline]
    pub fn insert(&mut self, tag: u32, reference: u32) {
        assert!(reference != NIL && self.len < self.capacity, "table bound: {} of {}", self.len, self.capacity);
        let mut at = self.home(tag);
        while self.place(at).reference != NIL {
            at = (at + 1) & self.mask;
        }
        *self.place_mut(at) = Place { tag, reference };
        self.len += 1;
    }

    /// Removes an entry that is there.
    #[inline]
    pub fn remove(&mut self, tag: u32, reference: u32) {
        let mut hole = self.home(tag);
        loop {
            let place = self.place(hole);
            assert!(place.reference != NIL, "an entry to remove is in the table");
            if place.reference == reference {
                break;
            }
            hole = (hole + 1) & self.mask;
        }
        self.len -= 1;
        let mut at = hole;
        loop {
            at = (at + 1) & self.mask;
            let place = self.place(at);
            if place.reference == NIL {
                break;
            }
            // The entry may move into the hole if its home does not lie behind the hole.
            let home = self.home(place.tag);
            if at.wrapping_sub(home) & self.mask >= at.wrapping_sub(hole) & self.mask {
                *self.place_mut(hole) = place;
                hole = at;
            }
        }
        *self.place_mut(hole) = EMPTY;
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

    /// Against a map, with keys that share tags: the low bits of the reference are the key.
    #[test]
    fn behaves_like_a_map_under_random_use() {
        for by_number in [false, true] {
            let mut table = Table::new(200);
            let tag = |table: &Table, key: u64| match by_number {
                true => table.tag_of_number(key),
                false => table.tag_of_hash((key % 150) << 55),
            };
            let mut model = BTreeMap::new();
            let mut seed = 7u64;
            for step in 0..200_000u64 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let key = (seed >> 33) % 300 + 1;
                let reference = (step << 10 | key) as u32;
                match model.remove(&key) {
                    Some(reference) => table.remove(tag(&table, key), reference),
                    None if model.len() < 200 => {
                        model.insert(key, reference);
                        table.insert(tag(&table, key), reference);
                    }
                    None => {}
                }
                if step % 97 == 0 {
                    for key in 1..=300 {
                        let found = table.find(tag(&table, key), |reference| u64::from(reference & 1_023) == key);
                        assert_eq!(found, model.get(&key).copied(), "step {step}, key {key}");
                    }
                }
            }
            assert_eq!(table.len(), model.len());
        }
    }

    #[test]
    fn eight_numbers_share_a_line_and_blocks_are_spread() {
        let table = Table::new(1 << 16);
        let mut lines = vec![0u32; (table.mask + 1) / BLOCK];
        for number in 0..1 << 16 {
            let home = table.home(table.tag_of_number(number));
            assert_eq!(home % BLOCK, number as usize % BLOCK);
            assert_eq!(home / BLOCK, table.home(table.tag_of_number(number & !7)) / BLOCK);
            lines[home / BLOCK] += 1;
        }
        assert!(lines.iter().all(|&used| used <= 16), "no line is the home of more than two blocks");
    }
}
