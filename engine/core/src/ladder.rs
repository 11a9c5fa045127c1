//! The occupied price levels of one side of a book, best first: a 64-way trie over ranks.
//!
//! ```text
//!  rank = price (asks) or span − price (bids): the lower rank is the better one
//!
//!  bits of the rank:   [ 6 ][ 6 ][ 6 ][ 6 ]
//!                        │    │    │    └─ place in the leaf ──► level slot
//!                        └────┴────┴────── places in inner nodes ──► node
//!  node: one bit for each of 64 places and 64 references; a search is one instruction per node
//! ```
//!
//! Chosen over a window of levels with a map beside it and over sorted arrays: a far price costs what a near one
//! does, nothing is ever moved, and the worst case is bounded by the depth (four nodes for prices up to 16 million).
//! Neighbouring prices share a leaf, and the last leaf is remembered, so the usual search touches one node.
//!
//! Invariants: a bit is set exactly if its reference is in use; no node but the root is empty.

const WAYS: u32 = 64;
const BITS: u32 = 6;
/// Deepest trie: 11 × 6 bits hold every price below 2^62.
const MAX_DEPTH: usize = 11;

#[derive(Clone)]
struct Node {
    bits: u64,
    references: [u32; WAYS as usize],
}

const EMPTY: Node = Node { bits: 0, references: [0; WAYS as usize] };

/// See the module.
#[derive(Clone)]
pub struct Ladder {
    nodes: Vec<Node>,
    free: Vec<u32>,
    depth: usize,
    /// Leaf of the last search: `rank >> 6` and node. `u64::MAX`: none.
    finger: (u64, u32),
}

impl Ladder {
    /// A ladder for ranks from 0 to `max_rank`.
    pub fn new(max_rank: u64) -> Self {
        let bits = (u64::BITS - max_rank.leading_zeros()).max(1);
        let depth = bits.div_ceil(BITS) as usize;
        assert!(depth <= MAX_DEPTH, "rank {max_rank} is above 2^66");
        Self { nodes: vec![EMPTY], free: Vec::new(), depth, finger: (u64::MAX, 0) }
    }

    #[inline]
    fn place(rank: u64, height: usize) -> u32 {
        (rank >> (BITS as usize * height)) as u32 & (WAYS - 1)
    }

    /// Level slot at a rank.
    #[inline]
    pub fn get(&mut self, rank: u64) -> Option<u32> {
        let leaf = self.leaf(rank)?;
        let node = &self.nodes[leaf as usize];
        let place = Self::place(rank, 0);
        (node.bits >> place & 1 == 1).then(|| node.references[place as usize])
    }

    /// Level slot at a rank, without remembering the leaf.
    pub fn peek(&self, rank: u64) -> Option<u32> {
        let mut at = 0u32;
        for height in (0..self.depth).rev() {
            let node = &self.nodes[at as usize];
            let place = Self::place(rank, height);
            if node.bits >> place & 1 == 0 {
                return None;
            }
            at = node.references[place as usize];
        }
        Some(at)
    }

    #[inline]
    fn leaf(&mut self, rank: u64) -> Option<u32> {
        if self.finger.0 == rank >> BITS {
            return Some(self.finger.1);
        }
        let mut at = 0u32;
        for height in (1..self.depth).rev() {
            let node = &self.nodes[at as usize];
            let place = Self::place(rank, height);
            if node.bits >> place & 1 == 0 {
                return None;
            }
            at = node.references[place as usize];
        }
        self.finger = (rank >> BITS, at);
        Some(at)
    }

    /// Adds a level at a rank that has none.
    pub fn insert(&mut self, rank: u64, level: u32) {
        let leaf = if self.finger.0 == rank >> BITS { self.finger.1 } else { self.make_leaf(rank) };
        let node = &mut self.nodes[leaf as usize];
        let place = Self::place(rank, 0);
        debug_assert!(node.bits >> place & 1 == 0);
        node.bits |= 1 << place;
        node.references[place as usize] = level;
    }

    fn make_leaf(&mut self, rank: u64) -> u32 {
        let mut at = 0u32;
        for height in (1..self.depth).rev() {
            let place = Self::place(rank, height);
            let node = &self.nodes[at as usize];
            at = if node.bits >> place & 1 == 1 {
                node.references[place as usize]
            } else {
                let child = self.allocate();
                let node = &mut self.nodes[at as usize];
                node.bits |= 1 << place;
                node.references[place as usize] = child;
                child
            };
        }
        self.finger = (rank >> BITS, at);
        at
    }

    fn allocate(&mut self) -> u32 {
        match self.free.pop() {
            Some(node) => node,
            None => {
                self.nodes.push(EMPTY);
                // Room to free every node without growing: removal never allocates.
                self.free.reserve(self.nodes.len());
                u32::try_from(self.nodes.len() - 1).expect("fewer than 2^32 nodes")
            }
        }
    }

    /// Removes the level at a rank that has one.
    pub fn remove(&mut self, rank: u64) {
        let mut path = [0u32; MAX_DEPTH];
        let mut at = 0u32;
        for height in (1..self.depth).rev() {
            path[height] = at;
            at = self.nodes[at as usize].references[Self::place(rank, height) as usize];
        }
        path[0] = at;
        for (height, &at) in path.iter().enumerate().take(self.depth) {
            let node = &mut self.nodes[at as usize];
            node.bits &= !(1 << Self::place(rank, height));
            if node.bits != 0 || at == 0 {
                break;
            }
            if height == 0 {
                self.finger = (u64::MAX, 0);
            }
            self.free.push(at);
        }
    }

    /// Lowest (best) rank and its level.
    #[inline]
    pub fn first(&self) -> Option<(u64, u32)> {
        self.first_below(0, self.depth - 1, 0)
    }

    #[inline]
    fn first_below(&self, mut at: u32, top: usize, mut rank: u64) -> Option<(u64, u32)> {
        for height in (0..=top).rev() {
            let node = &self.nodes[at as usize];
            if node.bits == 0 {
                return None; // only the root of an empty ladder
            }
            let place = node.bits.trailing_zeros();
            rank |= u64::from(place) << (BITS as usize * height);
            at = node.references[place as usize];
        }
        Some((rank, at))
    }

    /// The next rank after `rank`, and its level.
    pub fn next(&self, rank: u64) -> Option<(u64, u32)> {
        let mut path = [0u32; MAX_DEPTH];
        let mut at = 0u32;
        let mut lowest = 0;
        for height in (0..self.depth).rev() {
            path[height] = at;
            lowest = height;
            let node = &self.nodes[at as usize];
            let place = Self::place(rank, height);
            if node.bits >> place & 1 == 0 || height == 0 {
                break;
            }
            at = node.references[place as usize];
        }
        for (height, &at) in path.iter().enumerate().take(self.depth).skip(lowest) {
            let node = &self.nodes[at as usize];
            // Two shifts, because a shift by 64 is none.
            let later = node.bits & (u64::MAX << Self::place(rank, height) << 1);
            if later != 0 {
                let place = later.trailing_zeros();
                let shift = BITS as usize * height;
                let prefix = (rank >> shift >> BITS << BITS | u64::from(place)) << shift;
                let child = node.references[place as usize];
                return if height == 0 { Some((prefix, child)) } else { self.first_below(child, height - 1, prefix) };
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn behaves_like_an_ordered_map_under_random_use() {
        for (max_rank, spread) in [(63, 64), (100, 101), (5_000, 5_001), (1 << 40, 3_000), (1 << 62, 1 << 62)] {
            let mut ladder = Ladder::new(max_rank);
            let mut model = BTreeMap::new();
            let mut seed = max_rank ^ 0x5DEECE66D;
            for step in 0..20_000u32 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let rank = (seed >> 1) % spread.min(max_rank + 1);
                if step % 3 != 0 && spread > 1 << 30 && !model.is_empty() {
                    let rank = *model.range(rank..).next().map_or_else(|| model.keys().next().unwrap(), |(r, _)| r);
                    model.remove(&rank);
                    ladder.remove(rank);
                } else if model.remove(&rank).is_some() {
                    ladder.remove(rank);
                } else {
                    model.insert(rank, step);
                    ladder.insert(rank, step);
                }
                assert_eq!(ladder.get(rank), model.get(&rank).copied());
                assert_eq!(ladder.first(), model.iter().next().map(|(&r, &l)| (r, l)), "step {step}");
                let next = model.range(rank + 1..).next().map(|(&r, &l)| (r, l));
                assert_eq!(ladder.next(rank), next, "step {step} after {rank}");
            }
        }
    }
}
