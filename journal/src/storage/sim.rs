//! A simulated world: files with live and durable bytes, tails, power cuts, kills, errors. Deterministic by its seed.
//!
//! What is modelled:
//! * Every file has *live* bytes (what a read sees) and *durable* ones. A plain write touches live bytes only; a sync
//!   carries them over. At [`SimStorage::power_cut`] each unsynced 512-byte sector is kept, lost or torn at random.
//! * Names (create, rename, remove) are durable after `sync_dir`; at a power cut each unsynced change of a folder is
//!   applied or lost at random, every name on its own.
//! * The operation in flight when [`SimStorage::cut_power_after`] strikes may have reached the disk in any part.
//! * Tails survive [`SimStorage::kill`] and not the power cut, which also gives a new boot id.
//! * [`SimStorage::fail_after`] makes one later write or sync fail; [`SimStorage::set_free_space`] fills the disk.
//!
//! After a kill or cut all older handles answer errors: a process that is dead does nothing any more.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use super::sim_disk::Inode;
pub use super::sim_disk::{SECTOR, SimRandom};
use crate::memory::SharedMemory;

#[derive(Debug)]
pub(super) struct World {
    pub(super) random: SimRandom,
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) next_inode: u64,
    pub(super) live_names: BTreeMap<PathBuf, u64>,
    pub(super) durable_names: BTreeMap<PathBuf, u64>,
    pub(super) tails: BTreeMap<PathBuf, Arc<SharedMemory>>,
    pub(super) locks: BTreeMap<PathBuf, Weak<()>>,
    pub(super) epoch: u64,
    pub(super) boot: u64,
    pub(super) clock: u64,
    pub(super) operations: u64,
    pub(super) cut_after: Option<u64>,
    pub(super) dead: bool,
    pub(super) fail_after: Option<u64>,
    pub(super) free_space: u64,
    pub(super) tail_free_space: u64,
}

/// A simulated machine. Clones are handles on the same machine; a handle made before a crash is dead after it, so
/// take a new one with [`SimStorage::process`] for every simulated process.
#[derive(Clone, Debug)]
pub struct SimStorage {
    world: Arc<Mutex<World>>,
    epoch: u64,
}

impl SimStorage {
    /// An empty machine.
    pub fn new(seed: u64) -> Self {
        SimStorage {
            world: Arc::new(Mutex::new(World {
                random: SimRandom::new(seed),
                inodes: BTreeMap::new(),
                next_inode: 1,
                live_names: BTreeMap::new(),
                durable_names: BTreeMap::new(),
                tails: BTreeMap::new(),
                locks: BTreeMap::new(),
                epoch: 0,
                boot: 1,
                clock: 1_700_000_000_000_000_000,
                operations: 0,
                cut_after: None,
                dead: false,
                fail_after: None,
                free_space: u64::MAX,
                tail_free_space: u64::MAX,
            })),
            epoch: 0,
        }
    }

    pub(super) fn lock_world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A handle for a process that starts now.
    pub fn process(&self) -> Arc<SimStorage> {
        let epoch = self.lock_world().epoch;
        Arc::new(SimStorage { world: Arc::clone(&self.world), epoch })
    }

    /// The power fails now: unsynced sectors and names are kept, lost or torn by `seed`; tails are gone.
    pub fn power_cut(&self, seed: u64) {
        let world = &mut *self.lock_world();
        let mut random = SimRandom::new(seed);
        for inode in world.inodes.values_mut() {
            inode.cut(&mut random);
        }
        let names: BTreeSet<PathBuf> = world.live_names.keys().chain(world.durable_names.keys()).cloned().collect();
        for name in names {
            let (live, durable) = (world.live_names.get(&name).copied(), world.durable_names.get(&name).copied());
            if live != durable && random.below(2) == 0 {
                match live {
                    Some(inode) => world.durable_names.insert(name, inode),
                    None => world.durable_names.remove(&name),
                };
            }
        }
        world.live_names = world.durable_names.clone();
        world.tails.clear();
        world.boot += 1;
        world.revive();
    }

    /// The process is killed now: files keep their live bytes, tails survive.
    pub fn kill(&self) {
        let world = &mut *self.lock_world();
        for memory in world.tails.values_mut() {
            // The dead process may still own a writer of the old memory; the survivor is a copy nobody writes.
            let copy = SharedMemory::copy_of(&memory.snapshot());
            *memory = copy;
        }
        world.revive();
    }

    /// After `operations` more writing operations the power fails in the middle of one: everything answers errors
    /// until [`Self::power_cut`] (or, for a kill in mid-operation, [`Self::kill`]).
    pub fn cut_power_after(&self, operations: u64) {
        self.lock_world().cut_after = Some(operations);
    }

    /// Whether the power has failed since [`Self::cut_power_after`].
    pub fn is_dead(&self) -> bool {
        self.lock_world().dead
    }

    /// The write or sync after `operations` more of them fails with an I/O error, once.
    pub fn fail_after(&self, operations: u64) {
        self.lock_world().fail_after = Some(operations);
    }

    /// Sets what [`crate::Storage::free_space`] answers, in bytes. Writes that make a file longer fail when it is used up.
    pub fn set_free_space(&self, bytes: u64) {
        self.lock_world().free_space = bytes;
    }

    /// Sets how much shared memory is left, in bytes.
    pub fn set_tail_free_space(&self, bytes: u64) {
        self.lock_world().tail_free_space = bytes;
    }

    /// Writing operations so far.
    pub fn operations(&self) -> u64 {
        self.lock_world().operations
    }

    /// The bytes of a file as a read would see them.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let world = self.lock_world();
        Some(world.inodes[world.live_names.get(path)?].live.clone())
    }

    /// Changes bytes of a file behind everybody's back, durably: damage.
    pub fn damage(&self, path: &Path, offset: usize, bytes: &[u8]) {
        let world = &mut *self.lock_world();
        let inode = world.live_names[path];
        if let Some(file) = world.inodes.get_mut(&inode) {
            file.live[offset..offset + bytes.len()].copy_from_slice(bytes);
            file.durable = file.live.clone();
        }
    }

    /// Reads from now on see an I/O error at this file.
    pub(super) fn enter(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = self.lock_world();
        if world.epoch != self.epoch || world.dead {
            return Err(io::Error::other("the simulated process is dead"));
        }
        Ok(world)
    }

    /// Enters for a writing operation. `Ok((world, true))`: the power fails in the middle of this very operation.
    pub(super) fn enter_writing(&self) -> io::Result<(MutexGuard<'_, World>, bool)> {
        let mut world = self.enter()?;
        world.operations += 1;
        if let Some(left) = world.fail_after {
            world.fail_after = left.checked_sub(1);
            if left == 0 {
                return Err(io::Error::from_raw_os_error(5));
            }
        }
        let cut = match world.cut_after {
            Some(0) => {
                world.dead = true;
                true
            }
            Some(left) => {
                world.cut_after = Some(left - 1);
                false
            }
            None => false,
        };
        Ok((world, cut))
    }
}

impl World {
    fn revive(&mut self) {
        self.epoch += 1;
        self.dead = false;
        self.cut_after = None;
        self.fail_after = None;
        self.locks.clear();
    }

    pub(super) fn inode(&mut self, inode: u64) -> &mut Inode {
        self.inodes.entry(inode).or_default()
    }
}
