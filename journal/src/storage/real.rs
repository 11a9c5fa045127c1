//! The real world: files, `O_DIRECT`, mappings, `flock`.
//!
//! Invariants:
//! * A segment is written either through [`StorageFile::write_durable`] (direct) or, before it is in use, as zeros
//!   (direct too): never through the page cache and directly at the same range.
//! * Where the file system refuses `O_DIRECT` (tmpfs, some overlays) writes go through the page cache and
//!   `fdatasync`; this is said once per file in the log.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{FallocateFlags, FlockOperation, OFlags};

use super::{Block, LockGuard, Storage, StorageFile};
use crate::format::BLOCK;
use crate::memory::SharedMemory;

/// Zeros are written in pieces of this many bytes.
const ZERO_PIECE: usize = 256 * 1_024;

#[repr(C, align(4096))]
struct Zeros([u8; ZERO_PIECE]);
static ZEROS: Zeros = Zeros([0; ZERO_PIECE]);

/// Files and shared memory of this machine.
#[derive(Debug, Default)]
pub struct RealStorage {
    _private: (),
}

impl RealStorage {
    /// The real world.
    pub fn new() -> Arc<RealStorage> {
        Arc::new(RealStorage::default())
    }
}

#[derive(Debug)]
struct RealFile {
    plain: File,
    /// `O_DIRECT`, for zeros; and `O_DIRECT|O_DSYNC`, for frames. `None` if the file system refuses.
    direct: Option<(File, File)>,
}

fn open_direct(path: &Path) -> Option<(File, File)> {
    let open = |flags: OFlags| OpenOptions::new().read(true).write(true).custom_flags(flags.bits() as i32).open(path);
    match (open(OFlags::DIRECT), open(OFlags::DIRECT | OFlags::DSYNC)) {
        (Ok(direct), Ok(durable)) => Some((direct, durable)),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(
                file = %path.display(), %error,
                "the file system refuses O_DIRECT: syncing through the page cache with fdatasync (slower)"
            );
            None
        }
    }
}

fn is_segment(path: &Path) -> bool {
    path.to_str().is_some_and(|name| name.ends_with(".seg") || name.ends_with(".seg.tmp"))
}

impl RealFile {
    fn boxed(plain: File, path: &Path) -> Box<dyn StorageFile> {
        let direct = if is_segment(path) { open_direct(path) } else { None };
        Box::new(RealFile { plain, direct })
    }
}

impl StorageFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.plain.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.plain.read_exact_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.plain.write_all_at(bytes, offset)
    }

    fn write_zeros(&self, offset: u64, length: u64) -> io::Result<()> {
        let file = self.direct.as_ref().map_or(&self.plain, |(direct, _)| direct);
        let mut done = 0;
        while done < length {
            let piece = (length - done).min(ZERO_PIECE as u64);
            file.write_all_at(&ZEROS.0[..piece as usize], offset + done)?;
            done += piece;
        }
        Ok(())
    }

    fn write_durable(&self, offset: u64, whole: &[u8], last: Option<&Block>) -> io::Result<()> {
        assert!(offset.is_multiple_of(BLOCK as u64) && whole.len().is_multiple_of(BLOCK));
        let last: &[u8] = last.map_or(&[], |block| &block.0);
        let Some((_, durable)) = &self.direct else {
            self.plain.write_all_at(whole, offset)?;
            self.plain.write_all_at(last, offset + whole.len() as u64)?;
            return self.plain.sync_data();
        };
        let total = whole.len() + last.len();
        let mut done = 0;
        // One system call in all but rare cases; a short write goes on at the next block.
        while done < total {
            let first = &whole[done.min(whole.len())..];
            let second = &last[done.saturating_sub(whole.len())..];
            let slices = [IoSlice::new(first), IoSlice::new(second)];
            let slices = if first.is_empty() { &slices[1..] } else { &slices[..] };
            match rustix::io::pwritev(durable, slices, offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count / BLOCK * BLOCK,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.plain.sync_all()
    }
}

#[derive(Debug)]
struct RealLock {
    _file: File,
}
impl LockGuard for RealLock {}

impl Storage for RealStorage {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut created: Vec<PathBuf> = Vec::new();
        for ancestor in dir.ancestors() {
            if ancestor.as_os_str().is_empty() || ancestor.exists() {
                break;
            }
            created.push(ancestor.to_path_buf());
        }
        std::fs::create_dir_all(dir)?;
        for folder in created {
            if let Some(parent) = folder.parent() {
                self.sync_dir(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?;
            }
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(RealFile::boxed(file, path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(RealFile::boxed(OpenOptions::new().read(true).write(true).open(path)?, path))
    }

    fn map(&self, path: &Path) -> io::Result<Arc<SharedMemory>> {
        SharedMemory::map_read(&File::open(path)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                return Err(io::Error::new(io::ErrorKind::WouldBlock, holder.trim().to_string()));
            }
            Err(error) => return Err(error.into()),
        }
        file.set_len(0)?;
        write!(file, "pid {}", std::process::id())?;
        Ok(Box::new(RealLock { _file: file }))
    }

    fn tail_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }

    fn tail_list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.list(dir)
    }

    fn tail_create(&self, path: &Path, length: u64) -> io::Result<Arc<SharedMemory>> {
        // A new file under a new name: readers of the old one keep their bytes.
        let temporary = path.with_extension("tmp");
        match std::fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&temporary)?;
        let allocated = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, length);
        if let Err(error) = allocated {
            drop(file);
            std::fs::remove_file(&temporary)?;
            return Err(error.into());
        }
        let memory = SharedMemory::map_shared(&file, true)?;
        std::fs::rename(&temporary, path)?;
        Ok(memory)
    }

    fn tail_open(&self, path: &Path) -> io::Result<Arc<SharedMemory>> {
        SharedMemory::map_shared(&OpenOptions::new().read(true).write(true).open(path)?, false)
    }

    fn map_tail(&self, path: &Path) -> io::Result<Arc<SharedMemory>> {
        self.map(path)
    }

    fn tail_rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn tail_remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn tail_free_space(&self, dir: &Path) -> io::Result<u64> {
        self.free_space(dir)
    }

    fn boot_id(&self) -> [u8; 16] {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let mut out = [0; 16];
        let digits: Vec<u8> = text.bytes().filter_map(|b| char::from(b).to_digit(16)).map(|d| d as u8).collect();
        for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        out
    }

    fn clock_ns(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
    }

    fn random(&self) -> io::Result<[u8; 16]> {
        let mut out = [0; 16];
        getrandom::fill(&mut out).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(out)
    }

    fn process_lives(&self, pid: u32) -> bool {
        rustix::process::Pid::from_raw(pid as i32)
            .is_some_and(|pid| !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
    }
}
