//! The simulated machine as the journal sees it: files, names, locks, tails.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::sim::SimStorage;
use super::sim_disk::{Inode, SECTOR};
use super::{Block, LockGuard, Storage, StorageFile};
use crate::memory::SharedMemory;

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
