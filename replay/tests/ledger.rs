//! A client's ledger against the journal.

mod common;

use common::{WIDE, World};
use ringbook_event::split_command;
use ringbook_replay::{AckedRequest, Folder, LedgerOutcome, VerifyOptions, parts_of, verify};
use ringbook_report::{View, reports};
use ringbook_wire::AccountId;
use ringbook_wire::message::MessageType;

/// What an honest client of everything would have written down: each request of a key with its reports.
fn honest(folder: &Folder) -> Vec<AckedRequest> {
    let mut reader = folder.reader(1).unwrap();
    let last = reader.committed().unwrap();
    let mut ledger = Vec::new();
    while let Some(frame) = reader.next(last).unwrap() {
        let (origin, header, message) = split_command(frame.command).unwrap();
        if origin.key.0 == 0 || header.kind >= MessageType::Genesis as u8 {
            continue;
        }
        let view = View {
            first_account: AccountId(16),
            last_account: AccountId(u32::MAX),
            own_only: true,
            key: origin.key,
            session: origin.session,
        };
        let mut heard = Vec::new();
        reports(&parts_of(&frame), &view, &mut |report| heard.push(report.to_vec())).unwrap();
        if !heard.is_empty() {
            ledger.push(AckedRequest { session: origin.session.0, message: message.to_vec(), reports: heard });
        }
    }
    assert!(ledger.len() > 100);
    ledger
}

fn check(folder: &Folder, ledger: &[AckedRequest]) -> LedgerOutcome {
    let mut requests = ledger.iter().cloned().map(Ok);
    let verified = verify(folder, &VerifyOptions::default(), Some(&mut requests), &mut |_, _| {}).unwrap();
    assert_eq!(verified.mismatches, 0);
    let outcome = verified.ledger.unwrap();
    assert_eq!(verified.ok(), outcome.ok(), "{:?}", verified.findings);
    assert_eq!(verified.findings.is_empty(), outcome.ok(), "{:?}", verified.findings);
    outcome
}

#[test]
fn an_honest_ledger_is_all_there() {
    for seed in 31..35 {
        let world = World::with_commands(seed, WIDE, 500);
        let ledger = honest(&world.folder());
        let outcome = check(&world.folder(), &ledger);
        assert_eq!(outcome, LedgerOutcome { acked: ledger.len() as u64, ..LedgerOutcome::default() }, "seed {seed}");
    }
}

#[test]
fn lies_are_found() {
    let world = World::with_commands(36, WIDE, 500);
    let folder = world.folder();
    let honest = honest(&folder);
    let order = honest.iter().position(|request| request.reports[0][2] == 161).expect("an accepted order");
    let at = |change: &dyn Fn(&mut AckedRequest)| {
        let mut ledger = honest.clone();
        change(&mut ledger[order]);
        check(&folder, &ledger)
    };
    // Another body: this order was never in the journal.
    let outcome = at(&|request| request.message[40] ^= 1);
    assert_eq!((outcome.missing, outcome.different), (1, 0));
    // Another session sent what stands there.
    assert_eq!(at(&|request| request.session += 1).missing, 1);
    // A report that was never sent: an amount, a report too many, no report at all.
    let outcome = at(&|request| request.reports[0][80] ^= 1);
    assert_eq!((outcome.missing, outcome.different), (0, 1));
    assert_eq!(at(&|request| request.reports.push(vec![1, 2, 3])).different, 1);
    assert_eq!(at(&|request| request.reports.clear()).missing, 1);
    // Answered beyond the end.
    assert_eq!(at(&|request| request.reports.iter_mut().for_each(|report| report[12] = 1)).missing, 1);
    // Where a report stands among those of its sequence depends on the view; that is no lie.
    assert!(at(&|request| request.reports[0][28] += 1).ok());
}
