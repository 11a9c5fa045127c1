//! What recovery does to the files after the tail rule has spoken: cut aside, complete, remove, zero, clear.
//!
//! The only code of the package that shortens a journal, and only by the verdict of `tail_rule.rs`. Every step is
//! synced before the next begins, so that a crash between them leaves a journal that gives the same verdict.

use std::io;

use crate::error::{OpenError, io_at};
use crate::format::{BLOCK, all_zero, base_of, segment_name};
use crate::preparer::PIECE;
use crate::recovery::Opening;
use crate::scan::{Candidate, Kept, Scan};
use crate::storage::{Block, write_atomically};
use crate::tail_rule::Verdict;

impl Opening {
    /// Steps 3 to 5: copies aside, completes, zeroes, removes.
    pub fn settle(&mut self, candidates: &[Candidate], scan: &Scan) -> Result<(), OpenError> {
        let cut = matches!(scan.verdict, Verdict::Cut | Verdict::CutNext);
        let (cut_index, cut_offset) = scan.at;
        if cut {
            for (index, offset, bytes) in scan.cut(candidates) {
                self.copy_aside(&candidates[index], offset, bytes)?;
            }
            self.storage.sync_dir(&self.dir).map_err(io_at(&self.dir, "sync"))?;
        }
        for kept in &scan.kept {
            self.complete(&candidates[kept.candidate], kept)?;
        }
        // Last first: a crash between two removals leaves a journal without a gap.
        let kept_count = scan.kept.len();
        for candidate in candidates.iter().skip(kept_count).rev() {
            if candidate.file.is_some() {
                let path = self.dir.join(segment_name(candidate.base));
                self.storage.remove(&path).map_err(io_at(&path, "remove"))?;
                self.storage.sync_dir(&self.dir).map_err(io_at(&self.dir, "sync"))?;
            }
        }
        if cut && scan.verdict == Verdict::Cut {
            self.zero_behind(&candidates[cut_index], cut_offset)?;
        }
        Ok(())
    }

    fn copy_aside(&mut self, candidate: &Candidate, offset: usize, bytes: usize) -> Result<(), OpenError> {
        let file = candidate.file.as_ref().expect("only bytes of a file are cut");
        let rest = &file.bytes()[offset..offset + bytes];
        let name = format!("cut-{:020}-{:020}-{:020}.bin", candidate.base, offset, self.storage.clock_ns());
        let path = self.dir.join(&name);
        write_atomically(&*self.storage, &self.dir, &name, rest).map_err(io_at(&path, "write"))?;
        tracing::warn!(
            base = candidate.base, offset, bytes, kept_in = %path.display(),
            "recovery cuts an unfinished tail: nothing of it was ever durable"
        );
        self.report.tail_bytes_cut += bytes as u64;
        self.report.cut_file.get_or_insert(path);
        Ok(())
    }

    /// Everything kept goes into the file and is synced.
    fn complete(&mut self, candidate: &Candidate, kept: &Kept) -> Result<(), OpenError> {
        let path = self.dir.join(segment_name(candidate.base));
        let size = kept.header.size;
        let whole_file = candidate.file.as_ref().is_some_and(|file| file.len() as u64 == size);
        if !whole_file {
            // The process died between taking a spare and giving it its name: make the file anew.
            let temporary = path.with_extension("seg.tmp");
            let file = self.storage.create(&temporary).map_err(io_at(&temporary, "create"))?;
            let mut done = 0;
            while done < size {
                let piece = PIECE.min(size - done);
                file.write_zeros(done, piece).map_err(io_at(&temporary, "write"))?;
                done += piece;
            }
            file.sync().map_err(io_at(&temporary, "sync"))?;
            drop(file);
            self.storage.rename(&temporary, &path).map_err(io_at(&temporary, "rename"))?;
            self.storage.sync_dir(&self.dir).map_err(io_at(&self.dir, "sync"))?;
        }
        let file = self.storage.open(&path).map_err(io_at(&path, "open"))?;
        let empty: &[u8] = &[];
        let old = candidate.file.as_ref().filter(|_| whole_file).map_or(empty, |memory| memory.bytes());
        let tail = candidate.tail.as_ref().map_or(empty, |memory| memory.bytes());
        let mut block = Block::zeroed();
        let mut done = 0; // end of the last block that was written
        for &(from, to) in &kept.from_tail {
            for start in ((from / BLOCK * BLOCK).max(done)..to).step_by(BLOCK) {
                merge_block(&mut block.0, start, old, tail, kept);
                file.write_durable(start as u64, &[], Some(&block)).map_err(io_at(&path, "write and sync"))?;
                done = start + BLOCK;
            }
            self.report.from_tail_memory_bytes += (to - from) as u64;
        }
        file.sync().map_err(io_at(&path, "sync"))
    }

    fn zero_behind(&self, candidate: &Candidate, offset: usize) -> Result<(), OpenError> {
        let path = self.dir.join(segment_name(candidate.base));
        // Read again: `complete` may have written into the first block.
        let memory = match self.storage.map(&path) {
            Ok(memory) => memory,
            Err(error) => return Err(io_at(path, "read")(error)),
        };
        let bytes = memory.bytes();
        let file = self.storage.open(&path).map_err(io_at(&path, "open"))?;
        let mut block = Block::zeroed();
        // From the end: while the cut goes on, what is left still reads as the same cut.
        for start in (offset / BLOCK * BLOCK..bytes.len()).step_by(BLOCK).rev() {
            let keep = offset.saturating_sub(start).min(BLOCK);
            if all_zero(&bytes[start + keep..start + BLOCK]) {
                continue;
            }
            block.0[..keep].copy_from_slice(&bytes[start..start + keep]);
            block.0[keep..].fill(0);
            file.write_durable(start as u64, &[], Some(&block)).map_err(io_at(&path, "zero the cut in"))?;
        }
        file.sync().map_err(io_at(&path, "sync"))
    }

    /// Step 6: leftovers of the process before.
    pub fn clear(&self, names: &[String], candidates: &[Candidate]) -> Result<(), OpenError> {
        let first_open = candidates.first().map(|candidate| candidate.base);
        for name in names {
            let stale_sidecar = base_of(name, "idx").is_some_and(|base| first_open.is_some_and(|first| base >= first));
            if name.starts_with("spare-") || name.ends_with(".tmp") || stale_sidecar {
                let path = self.dir.join(name);
                match self.storage.remove(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(io_at(path, "remove")(error));
                    }
                    _ => {}
                }
            }
        }
        self.storage.sync_dir(&self.dir).map_err(io_at(&self.dir, "sync"))?;
        for name in self.storage.tail_list(&self.tails).map_err(io_at(&self.tails, "list"))? {
            if name.ends_with(".tail") || name.ends_with(".tmp") {
                let path = self.tails.join(name);
                self.storage.tail_remove(&path).map_err(io_at(&path, "remove"))?;
            }
        }
        Ok(())
    }
}

/// One block of a kept segment: from the tail where the scan took it from there, else from the file; zeros behind.
fn merge_block(block: &mut [u8; BLOCK], start: usize, file: &[u8], tail: &[u8], kept: &Kept) {
    block.fill(0);
    let copy = |block: &mut [u8; BLOCK], source: &[u8], from: usize, to: usize| {
        let (from, to) = (from.max(start), to.min(start + BLOCK).min(source.len()));
        if from < to {
            block[from - start..to - start].copy_from_slice(&source[from..to]);
        }
    };
    // What lies behind the kept part stays as it is: it may still have to be cut, which is a later step.
    copy(block, file, 0, file.len());
    for &(from, to) in &kept.from_tail {
        copy(block, tail, from, to);
    }
}
