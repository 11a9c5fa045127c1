//! The whole journal again: every event, every snapshot on the way, and a client's ledger.
//!
//! Invariant: a finding never stops the report; what cannot be gone beyond (a difference, a damaged frame) ends the
//! execution there, and the findings say so.

use crate::error::{Divergence, ReplayError};
use crate::execute::Executor;
use crate::ledger::{AckLedger, LedgerCheck, LedgerOutcome};
use crate::recover::start_at;
use crate::source::{Folder, History, binding_of, parts_of};
use ringbook_core::Engine;
use ringbook_event::events;
use ringbook_journal::{Reader, Sequence};
use ringbook_snapshot::{Header, Store};
use std::time::Instant;

/// Frames between two calls of the progress callback.
const PROGRESS_FRAMES: u64 = 4_096;
/// Findings that are told in words; the rest is only counted.
const FINDINGS_MAX: usize = 100;

/// What to verify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Insist on the first frame: fail if the journal does not begin with it. Without this, a journal whose beginning
    /// was archived is verified from its oldest snapshot on.
    pub from_genesis: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verified {
    /// Executed after this sequence; 0: from genesis.
    pub started_after: u64,
    /// Last sequence that was executed.
    pub last_sequence: u64,
    /// Frames that were executed and compared.
    pub frames: u64,
    /// Events in them.
    pub events: u64,
    /// How long it took.
    pub seconds: f64,
    /// Frames per second.
    pub frames_per_s: f64,
    /// Hash of the last state.
    pub state_hash: [u8; 32],
    /// Frames and snapshots that are not what they should be.
    pub mismatches: u64,
    /// Snapshots that were compared with the state at their sequence.
    pub snapshots_checked: u64,
    /// Each mismatch and each failed request in words, the first 100.
    pub findings: Vec<String>,
    /// What the ledger says, if there was one.
    pub ledger: Option<LedgerOutcome>,
}

impl Verified {
    /// Whether all is well.
    pub fn ok(&self) -> bool {
        self.mismatches == 0 && self.ledger.as_ref().is_none_or(LedgerOutcome::ok)
    }

    fn mismatch(&mut self, finding: String) {
        self.mismatches += 1;
        tell(&mut self.findings, finding);
    }
}

pub(crate) fn tell(findings: &mut Vec<String>, finding: String) {
    if findings.len() < FINDINGS_MAX {
        findings.push(finding);
    }
}

/// Executes the committed journal of a data folder again and compares. The exchange may run.
///
/// # Errors
/// It cannot begin (no journal, no start); what is wrong inside is a finding.
pub fn verify(
    folder: &Folder,
    options: &VerifyOptions,
    ledger: Option<&mut dyn AckLedger>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verified, ReplayError> {
    let began = Instant::now();
    let history = folder.history()?;
    let store = folder.store();
    let mut reader = folder.reader(1)?;
    let last = reader.committed()?.0;
    let mut ledger = ledger.map(LedgerCheck::load).transpose()?;
    let mut report = Verified::default();
    let mut snapshots = read_headers(&store, &mut report)?;
    let mut executor = Executor::new(first_state(folder, &mut reader, &history, options, &snapshots)?);
    let mut reached = executor.engine().sequence().0;
    report.started_after = reached;
    snapshots.retain(|header| header.sequence >= reached);
    let total = last.saturating_sub(reached);
    reader.seek(Sequence(reached + 1));
    progress(0, total);
    while reached < last {
        let frame = match reader.next(Sequence(last)) {
            Ok(Some(frame)) => frame,
            Ok(None) => {
                report.mismatch(ReplayError::Short { reached, last }.to_string());
                break;
            }
            Err(error) => {
                report.mismatch(error.to_string());
                break;
            }
        };
        if let Some(ledger) = &mut ledger {
            ledger.frame(&parts_of(&frame));
        }
        if let Err(error) = executor.step(&frame) {
            report.mismatch(with_binary(error, folder).to_string());
            break;
        }
        report.events += events(frame.events).count() as u64;
        reached = frame.sequence.0;
        if let Some(header) = snapshots.first().filter(|header| header.sequence == reached) {
            compare_snapshot(header, &executor, binding_of(&frame, &history) == header.binding, &mut report);
            snapshots.remove(0);
        }
        if executor.frames().is_multiple_of(PROGRESS_FRAMES) {
            progress(executor.frames(), total);
        }
    }
    for header in snapshots.iter().filter(|header| header.sequence > last && header.binding.uuid == history.uuid) {
        let sequence = header.sequence;
        report
            .mismatch(format!("snapshot {sequence}: it lies beyond the journal's end at {last}: segments are missing"));
    }
    if let Some(ledger) = ledger {
        report.ledger = Some(ledger.finish(report.started_after, reached, &mut report.findings));
    }
    report.last_sequence = reached;
    report.frames = executor.frames();
    report.state_hash = executor.engine().state_hash();
    report.seconds = began.elapsed().as_secs_f64();
    report.frames_per_s = report.frames as f64 / report.seconds.max(1e-9);
    progress(report.frames, total);
    Ok(report)
}

/// Genesis if the journal still has it, else the oldest snapshot that leads into the journal.
fn first_state(
    folder: &Folder,
    reader: &mut Reader,
    history: &History,
    options: &VerifyOptions,
    snapshots: &[Header],
) -> Result<Engine, ReplayError> {
    let first = folder.first_sequence()?;
    if first <= 1 {
        return Ok(Engine::new());
    }
    if options.from_genesis {
        return Err(ReplayError::NotFromGenesis { first });
    }
    let store = folder.store();
    for header in snapshots.iter().filter(|header| header.sequence >= first) {
        let start = start_at(reader, header.sequence, history, &store)?;
        if start.engine.sequence().0 == header.sequence {
            return Ok(start.engine);
        }
    }
    Err(ReplayError::NoStart { first, tried: "none of the snapshots is usable".to_owned() })
}

/// Headers of the snapshots that load, ascending; the others are findings.
fn read_headers(store: &Store, report: &mut Verified) -> Result<Vec<Header>, ReplayError> {
    let mut headers = Vec::new();
    for listed in store.list()? {
        match listed.outcome {
            Ok(header) => headers.push(header),
            Err(error) => report.mismatch(error.to_string()),
        }
    }
    Ok(headers)
}

fn compare_snapshot(header: &Header, executor: &Executor, bound: bool, report: &mut Verified) {
    let sequence = header.sequence;
    report.snapshots_checked += 1;
    if !bound {
        report
            .mismatch(format!("snapshot {sequence}: it is bound to another journal or another history than this one"));
    } else if executor.engine().state_hash() != header.state_hash {
        report
            .mismatch(format!("snapshot {sequence}: its state is not the one that the journal gives at its sequence"));
    }
}

fn with_binary(error: ReplayError, folder: &Folder) -> ReplayError {
    match error {
        ReplayError::Diverged(divergence) => {
            let binary_recorded = folder.binary_of(divergence.sequence);
            ReplayError::Diverged(Box::new(Divergence { binary_recorded, ..*divergence }))
        }
        other => other,
    }
}
