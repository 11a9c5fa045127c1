//! The simulated disk: what of a file survives a power cut.

use std::collections::BTreeSet;

/// The unit that survives or not.
pub const SECTOR: usize = 512;

/// A small deterministic generator (splitmix64), for simulations.
#[derive(Clone, Debug)]
pub struct SimRandom(u64);

impl SimRandom {
    /// A generator for `seed`.
    pub fn new(seed: u64) -> Self {
        SimRandom(seed)
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound` (which is not 0).
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }
}

#[derive(Debug, Default)]
pub(super) struct Inode {
    pub live: Vec<u8>,
    pub durable: Vec<u8>,
    dirty: BTreeSet<usize>,
    /// The length was synced. Otherwise the file may come back shorter.
    length_synced: bool,
}

impl Inode {
    pub fn write(&mut self, bytes: &[u8], offset: usize) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        if end > self.live.len() {
            self.live.resize(end, 0);
            self.length_synced = false;
        }
        self.live[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
    }

    pub fn sync(&mut self, sectors: Option<(usize, usize)>) {
        // A synced range carries the file's length as far as itself, no further.
        let end = sectors.map_or(self.live.len(), |(_, to)| (to * SECTOR).min(self.live.len()));
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        self.length_synced |= end == self.live.len();
        let dirty: Vec<usize> = match sectors {
            None => self.dirty.iter().copied().collect(),
            Some((from, to)) => self.dirty.range(from..to).copied().collect(),
        };
        for sector in dirty {
            self.dirty.remove(&sector);
            let (start, end) = (sector * SECTOR, ((sector + 1) * SECTOR).min(self.live.len()));
            self.durable[start..end].copy_from_slice(&self.live[start..end]);
        }
    }

    pub fn cut(&mut self, random: &mut SimRandom) {
        if !self.length_synced {
            let length = match random.below(3) {
                0 => self.durable.len(),
                1 => self.live.len(),
                _ => {
                    let (low, high) = (self.durable.len().min(self.live.len()), self.live.len());
                    low + random.below((high - low) as u64 + 1) as usize
                }
            };
            self.durable.resize(length, 0);
        }
        for sector in std::mem::take(&mut self.dirty) {
            let start = sector * SECTOR;
            let end = ((sector + 1) * SECTOR).min(self.live.len()).min(self.durable.len());
            if start >= end {
                continue;
            }
            match random.below(3) {
                0 => {}
                1 => self.durable[start..end].copy_from_slice(&self.live[start..end]),
                _ => {
                    let middle = start + random.below((end - start) as u64 + 1) as usize;
                    if random.below(2) == 0 {
                        self.durable[start..middle].copy_from_slice(&self.live[start..middle]);
                    } else {
                        self.durable[middle..end].copy_from_slice(&self.live[middle..end]);
                    }
                }
            }
        }
        self.live = self.durable.clone();
        self.length_synced = true;
    }
}
