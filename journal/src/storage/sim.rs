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
use super::{Block, LockGuard, Storage, StorageFile};
use crate::memory::SharedMemory;

#[derive(Debug)]
struct World {
    random: SimRandom,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    live_names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    tails: BTreeMap<PathBuf, Arc<SharedMemory>>,
    locks: BTreeMap<PathBuf, Weak<()>>,
    epoch: u64,
    boot: u64,
    clock: u64,
    operations: u64,
    cut_after: Option<u64>,
    dead: bool,
    fail_after: Option<u64>,
    free_space: u64,
    tail_free_space: u64,
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

    fn lock_world(&self) -> MutexGuard<'_, World> {
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

    /// Sets what [`Storage::free_space`] answers, in bytes. Writes that make a file longer fail when it is used up.
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
    fn enter(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = self.lock_world();
        if world.epoch != self.epoch || world.dead {
            return Err(io::Error::other("the simulated process is dead"));
        }
        Ok(world)
    }

    /// Enters for a writing operation. `Ok((world, true))`: the power fails in the middle of this very operation.
    fn enter_writing(&self) -> io::Result<(MutexGuard<'_, World>, bool)> {
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

    fn inode(&mut self, inode: u64) -> &mut Inode {
        self.inodes.entry(inode).or_default()
    }
}

fn dead() -> io::Error {
    io::Error::other("the power failed")
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{} does not exist", path.display()))
}

#[derive(Debug)]
struct SimFile {
    storage: SimStorage,
    inode: u64,
}

impl SimFile {
    fn write(&self, bytes: &[u8], offset: u64, durable: bool) -> io::Result<()> {
        let (mut world, cut) = self.storage.enter_writing()?;
        let growth = (offset + bytes.len() as u64).saturating_sub(world.inode(self.inode).live.len() as u64);
        if growth > world.free_space {
            return Err(io::Error::from_raw_os_error(28));
        }
        if world.free_space != u64::MAX {
            world.free_space -= growth;
        }
        let file = world.inode(self.inode);
        file.write(bytes, offset as usize);
        if cut {
            return Err(dead());
        }
        if durable {
            let (from, to) = (offset as usize / SECTOR, (offset as usize + bytes.len()).div_ceil(SECTOR));
            file.sync(Some((from, to)));
        }
        Ok(())
    }
}

impl StorageFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.storage.enter()?.inode(self.inode).live.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut world = self.storage.enter()?;
        let live = &world.inode(self.inode).live;
        let offset = offset as usize;
        let bytes = live.get(offset..offset + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write(bytes, offset, false)
    }

    fn write_zeros(&self, offset: u64, length: u64) -> io::Result<()> {
        self.write(&vec![0; length as usize], offset, false)
    }

    fn write_durable(&self, offset: u64, whole: &[u8], last: Option<&Block>) -> io::Result<()> {
        assert!(offset.is_multiple_of(4_096) && whole.len().is_multiple_of(4_096));
        let mut bytes = whole.to_vec();
        if let Some(block) = last {
            bytes.extend_from_slice(&block.0);
        }
        self.write(&bytes, offset, true)
    }

    fn sync(&self) -> io::Result<()> {
        let (mut world, cut) = self.storage.enter_writing()?;
        if cut {
            return Err(dead());
        }
        world.inode(self.inode).sync(None);
        Ok(())
    }
}

#[derive(Debug)]
struct SimLock {
    _held: Arc<()>,
}
impl LockGuard for SimLock {}

impl Storage for SimStorage {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        self.enter().map(|_| ())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let world = self.enter()?;
        let inside = world.live_names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_string())).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let (mut world, cut) = self.enter_writing()?;
        let inode = world.next_inode;
        world.next_inode += 1;
        world.inodes.insert(inode, Inode::default());
        world.live_names.insert(path.to_path_buf(), inode);
        if cut { Err(dead()) } else { Ok(Box::new(SimFile { storage: self.clone(), inode })) }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let world = self.enter()?;
        let inode = *world.live_names.get(path).ok_or_else(|| not_found(path))?;
        Ok(Box::new(SimFile { storage: self.clone(), inode }))
    }

    fn map(&self, path: &Path) -> io::Result<Arc<SharedMemory>> {
        let world = self.enter()?;
        let inode = world.live_names.get(path).ok_or_else(|| not_found(path))?;
        Ok(SharedMemory::copy_of(&world.inodes[inode].live))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (mut world, cut) = self.enter_writing()?;
        let inode = world.live_names.remove(from).ok_or_else(|| not_found(from))?;
        world.live_names.insert(to.to_path_buf(), inode);
        if cut { Err(dead()) } else { Ok(()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (mut world, cut) = self.enter_writing()?;
        world.live_names.remove(path).ok_or_else(|| not_found(path))?;
        if cut { Err(dead()) } else { Ok(()) }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let (mut world, cut) = self.enter_writing()?;
        if cut {
            return Err(dead());
        }
        world.durable_names.retain(|path, _| path.parent() != Some(dir));
        let world = &mut *world;
        let inside = world.live_names.iter().filter(|(path, _)| path.parent() == Some(dir));
        world.durable_names.extend(inside.map(|(path, inode)| (path.clone(), *inode)));
        Ok(())
    }

    fn free_space(&self, _dir: &Path) -> io::Result<u64> {
        Ok(self.enter()?.free_space)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>> {
        let mut world = self.enter()?;
        if world.locks.get(path).is_some_and(|held| held.strong_count() > 0) {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "another simulated process"));
        }
        let held = Arc::new(());
        world.locks.insert(path.to_path_buf(), Arc::downgrade(&held));
        Ok(Box::new(SimLock { _held: held }))
    }

    fn tail_dir(&self, _dir: &Path) -> io::Result<()> {
        self.enter().map(|_| ())
    }

    fn tail_list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let world = self.enter()?;
        let inside = world.tails.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_string())).collect())
    }

    fn tail_create(&self, path: &Path, length: u64) -> io::Result<Arc<SharedMemory>> {
        let mut world = self.enter()?;
        if length > world.tail_free_space {
            return Err(io::Error::from_raw_os_error(28));
        }
        let memory = SharedMemory::heap(length as usize);
        world.tails.insert(path.to_path_buf(), Arc::clone(&memory));
        Ok(memory)
    }

    fn tail_open(&self, path: &Path) -> io::Result<Arc<SharedMemory>> {
        let mut world = self.enter()?;
        let memory = world.tails.get(path).ok_or_else(|| not_found(path))?;
        // What a kill left is a copy that counts as published; the page is wanted as atomics, so it gets a fresh one.
        if memory.published() > 0 {
            let fresh = SharedMemory::heap(memory.len());
            crate::memory::TailWriter::new(&fresh).slot(0, memory.len()).copy_from_slice(memory.bytes());
            world.tails.insert(path.to_path_buf(), Arc::clone(&fresh));
            return Ok(fresh);
        }
        Ok(Arc::clone(memory))
    }

    fn map_tail(&self, path: &Path) -> io::Result<Arc<SharedMemory>> {
        let world = self.enter()?;
        let memory = world.tails.get(path).ok_or_else(|| not_found(path))?;
        Ok(SharedMemory::copy_of(&memory.snapshot()))
    }

    fn tail_rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.enter()?;
        let memory = world.tails.remove(from).ok_or_else(|| not_found(from))?;
        world.tails.insert(to.to_path_buf(), memory);
        Ok(())
    }

    fn tail_remove(&self, path: &Path) -> io::Result<()> {
        self.enter()?.tails.remove(path).map(|_| ()).ok_or_else(|| not_found(path))
    }

    fn tail_free_space(&self, _dir: &Path) -> io::Result<u64> {
        Ok(self.enter()?.tail_free_space)
    }

    fn boot_id(&self) -> [u8; 16] {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&self.lock_world().boot.to_le_bytes());
        out
    }

    fn clock_ns(&self) -> u64 {
        let mut world = self.lock_world();
        world.clock += 1_000;
        world.clock
    }

    fn random(&self) -> io::Result<[u8; 16]> {
        let mut world = self.enter()?;
        let mut out = [0; 16];
        out[..8].copy_from_slice(&world.random.bits().to_le_bytes());
        out[8..].copy_from_slice(&world.random.bits().to_le_bytes());
        Ok(out)
    }

    fn process_lives(&self, _pid: u32) -> bool {
        true
    }
}
