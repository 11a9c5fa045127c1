//! Payloads that imitate frames. A client chooses command bytes, and with them most of the event bytes; behind a bad
//! place the scan looks at every multiple of 8. Whatever it finds there may only count if this journal wrote it: else a
//! client could make a journal refuse to start after a power cut, by claiming that what was lost had been durable.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringbook_journal::format::frame::{Checksums, FrameHeader, FrameKind};
use ringbook_journal::format::identity::{Identity, Salt};
use ringbook_journal::sim::SimStorage;
use ringbook_journal::{Appender, FrameMeta, Journal, NoStreams, OpenError, Options, Poll, RecoveryReport, Sequence};

const DIR: &str = "/data/journal";
const FIRST: &str = "/data/journal/00000000000000000001.seg";
const PAYLOAD: usize = 400;
const FRAME: usize = 48 + PAYLOAD;
/// The frame whose bytes the disk loses; nobody ever knew that it was durable.
const LOST: u64 = 6;

fn open(sim: &SimStorage) -> Result<(Journal, RecoveryReport), OpenError> {
    let options = Options { tail_dir: PathBuf::from("/tails"), ..Options::small() };
    let opened = Journal::open(Path::new(DIR), sim.process(), options)?;
    Ok((opened.journal, opened.recovery))
}

fn identity(sim: &SimStorage) -> Identity {
    Identity::decode(&sim.bytes(Path::new("/data/journal/journal.id")).unwrap()).unwrap()
}

fn append(appender: &mut Appender, payload: &[u8]) {
    appender.begin().unwrap()[..payload.len()].copy_from_slice(payload);
    let kind = FrameKind::Command;
    appender.finish(FrameMeta { time_ns: 5, command_len: 200, rules: 1, kind, payload_len: payload.len() });
}

/// How the client guesses the checksum.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Guess {
    /// Of lag and chain alone.
    NoSalt,
    /// With a salt of zeros.
    Zeros,
    /// With the journal's identity, which every client is told.
    Uuid,
    /// Over everything behind it.
    Whole,
    /// The client knows the salt: shows that the imitation is perfect but for it.
    Salt,
}

/// Where the imitation lies.
#[derive(Clone, Copy, Debug)]
struct Spot {
    sequence: u64,
    offset: usize,
}

/// A whole frame with this sequence that says "everything before me is durable".
fn imitation(kind: FrameKind, sequence: u64, guess: Guess, identity: &Identity) -> Vec<u8> {
    let length = if kind == FrameKind::Command { 72 } else { 48 };
    let mut bytes = vec![0x55; length];
    let command_len = if kind == FrameKind::Command { 16 } else { 0 };
    let header = FrameHeader {
        length: length as u32,
        sequence,
        time_ns: 5,
        lag: 1,
        chain: 0,
        term: 1,
        previous_chain: 0,
        command_len,
        kind,
        rules: 1,
    };
    let salt = match guess {
        Guess::Uuid => Salt(identity.uuid),
        Guess::Salt => identity.salt,
        Guess::Zeros | Guess::NoSalt | Guess::Whole => Salt([0; 16]),
    };
    header.seal(&mut bytes, Checksums::new(salt));
    match guess {
        Guess::NoSalt => {
            let crc = crc32c::crc32c(&bytes[24..32]);
            bytes[..4].copy_from_slice(&crc.to_le_bytes());
        }
        Guess::Whole => {
            let crc = crc32c::crc32c(&bytes[4..]);
            bytes[..4].copy_from_slice(&crc.to_le_bytes());
        }
        Guess::Zeros | Guess::Uuid | Guess::Salt => {}
    }
    bytes
}

/// Ten frames in the first segment, or more in two; one holds the imitation; all are synced at once; then the power
/// fails and the disk has lost frame 6. Without the imitation this is a cut: nobody was ever told of frame 6.
fn outcome(spot: Spot, kind: FrameKind, claimed: u64, guess: Guess) -> Result<RecoveryReport, OpenError> {
    let sim = SimStorage::new(spot.sequence);
    let (journal, _) = open(&sim).unwrap();
    let (mut appender, watermarks, mut agents) = journal.start_stepped(Arc::new(NoStreams), None);
    while agents.preparer.poll() == Poll::Worked {}
    let last = spot.sequence.max(10);
    let imitation = imitation(kind, claimed, guess, &identity(&sim));
    for sequence in 1..=last {
        let mut payload = vec![sequence as u8 | 1; PAYLOAD];
        if sequence == spot.sequence {
            payload[spot.offset..spot.offset + imitation.len()].copy_from_slice(&imitation);
        }
        append(&mut appender, &payload);
    }
    while agents.syncer.poll() == Poll::Worked {}
    assert_eq!(watermarks.durable(), Sequence(last));
    drop((appender, watermarks, agents));
    sim.power_cut(1);
    // The header of frame 6 only: an imitation in its own payload stays whole.
    sim.damage(Path::new(FIRST), 4_096 + (LOST as usize - 1) * FRAME, &[0xEE; 48]);
    open(&sim).map(|(_, report)| report)
}

fn spots() -> Vec<Spot> {
    let mut spots = Vec::new();
    // In the lost frame itself, right behind it, at the end; in front of, across and behind edges of blocks (frame 10
    // begins 64 bytes before one); in the command (0..200) and in the events.
    for sequence in [LOST, 7, 9, 10] {
        for offset in [0, 8, 16, 48, 128, 192, 200, 296, 328] {
            spots.push(Spot { sequence, offset });
        }
    }
    // And in the segment behind.
    spots.push(Spot { sequence: 170, offset: 64 });
    spots
}

#[test]
fn a_payload_that_imitates_a_frame_proves_nothing() {
    let kinds = [FrameKind::Command, FrameKind::Fence, FrameKind::End];
    for spot in spots() {
        for kind in kinds {
            for claimed in [LOST + 1, LOST + 2] {
                for guess in [Guess::NoSalt, Guess::Zeros, Guess::Uuid, Guess::Whole] {
                    let what = format!("{spot:?} {kind:?} {claimed} {guess:?}");
                    let report = outcome(spot, kind, claimed, guess).unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert_eq!(report.last_sequence, Sequence(LOST - 1), "{what}");
                    assert!(report.cut_file.is_some(), "{what}");
                }
            }
        }
    }
}

#[test]
fn only_the_salt_is_missing_to_the_imitation() {
    // The same bytes with the right salt are believed: the test above would notice if the scan did not look there.
    for spot in spots() {
        for kind in [FrameKind::Command, FrameKind::Fence, FrameKind::End] {
            let error = outcome(spot, kind, LOST + 1, Guess::Salt).unwrap_err();
            assert!(
                matches!(error, OpenError::Damage { sequence: LOST, known_durable: LOST, row: 6, .. }),
                "{spot:?} {kind:?}: {error}"
            );
        }
    }
}

#[test]
fn a_frame_that_was_really_written_still_counts() {
    // Frame 8 was appended when 7 was known to be durable: the loss of 6 is damage, seen from behind it.
    let sim = SimStorage::new(1);
    let (journal, _) = open(&sim).unwrap();
    let (mut appender, watermarks, mut agents) = journal.start_stepped(Arc::new(NoStreams), None);
    for sequence in 1..=10 {
        append(&mut appender, &[sequence; PAYLOAD]);
        if sequence == 7 {
            agents.poll_all();
        }
    }
    agents.poll_all();
    drop((appender, watermarks, agents));
    sim.power_cut(1);
    sim.damage(Path::new(FIRST), 4_096 + (LOST as usize - 1) * FRAME, &[0xEE; 48]);
    let error = open(&sim).unwrap_err();
    assert!(matches!(error, OpenError::Damage { sequence: LOST, known_durable: 7, row: 6, .. }), "{error}");
}

#[test]
fn the_salt_is_drawn_and_not_printed() {
    let salts: Vec<Salt> = (0..4)
        .map(|seed| {
            let sim = SimStorage::new(seed);
            drop(open(&sim).unwrap());
            let identity = identity(&sim);
            assert_ne!(identity.salt.0, identity.uuid);
            assert!(format!("{identity:?}").contains("Salt(..)"));
            identity.salt
        })
        .collect();
    assert!((1..4).all(|index| salts[index] != salts[0] && salts[index].0 != [0; 16]));
}
