//! A client's ledger against the journal: every acknowledged request is there, with effect once, with the outcome that
//! was reported.
//!
//! ```text
//!  request ──► which frame answered it? (sequence in its reports) ──► same body, same sender?   no ─► missing
//!          ──► its reports, among those that the frame yields?                                  no ─► different
//!          ──► orders and movements of money: with effect in how many frames?      0 ─► missing   2 ─► doubled
//! ```
//!
//! `index` and LAST depend on the view of the session that received a report; both are set aside in the comparison.
//!
//! Invariants: one pass over the journal; of a request some 100 bytes are kept, not its bytes.

use crate::error::ReplayError;
use crate::verify::tell;
use ringbook_event::{Event, events, split_command};
use ringbook_report::{FrameParts, View, reports};
use ringbook_wire::message::{HEADER_BYTES, Header, MessageType};
use ringbook_wire::report::{FIRST_REPORT, Place, ReportType};
use ringbook_wire::{AccountId, KeyId, SessionId};
use rustc_hash::FxHashMap;
use zerocopy::FromBytes;

/// Where [`Place::index`] and flags lie in a report.
const INDEX_AT: usize = 28;

/// A request that a client holds for acknowledged, with what it was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AckedRequest {
    /// The session that sent it: `key << 32 | number`; 0: not known.
    pub session: u64,
    /// The message as it was sent.
    pub message: Vec<u8>,
    /// The reports that answered it, each a whole message.
    pub reports: Vec<Vec<u8>>,
}

/// Acknowledged requests of a ledger, in any order.
pub trait AckLedger {
    /// The next one, `None` at the end.
    fn next_request(&mut self) -> Option<Result<AckedRequest, String>>;
}

impl<I: Iterator<Item = Result<AckedRequest, String>>> AckLedger for I {
    fn next_request(&mut self) -> Option<Result<AckedRequest, String>> {
        self.next()
    }
}

/// What came of a ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerOutcome {
    /// Acknowledged requests.
    pub acked: u64,
    /// Not in the journal.
    pub missing: u64,
    /// In the journal with effect more than once.
    pub doubled: u64,
    /// In the journal with another outcome than was reported.
    pub different: u64,
    /// Answered before the first sequence that could be executed: not checked.
    pub unchecked: u64,
}

impl LedgerOutcome {
    /// Whether every request is as it was reported.
    pub fn ok(&self) -> bool {
        self.missing == 0 && self.doubled == 0 && self.different == 0
    }
}

type Digest = [u8; 16];

/// A request, as far as it must be kept.
#[derive(Clone, Copy, Debug)]
struct Claim {
    body: Digest,
    session: u64,
    request: u32,
    kind: u8,
    /// The reports said that it had effect.
    effective: bool,
    found: bool,
    different: bool,
}

/// Digest of a report that was received, and whose it is.
type Received = (u32, Digest);

/// The check; fed with every frame in order.
pub(crate) struct LedgerCheck {
    claims: Vec<Claim>,
    /// Claim by the sequence that answered it.
    answers: FxHashMap<u64, Vec<u32>>,
    /// Reports by sequence.
    received: FxHashMap<u64, Vec<Received>>,
    /// How often each acknowledged body had effect.
    effects: FxHashMap<Digest, u32>,
    outcome: LedgerOutcome,
    unanswered: Vec<u32>,
    derived: Vec<(u32, Digest)>,
}

fn digest(bytes: &[u8]) -> Digest {
    let hash = blake3::hash(bytes);
    let mut out = [0; 16];
    out.copy_from_slice(&hash.as_bytes()[..16]);
    out
}

/// Digest of a report without what depends on the view: index, flags and the request number (compared apart).
fn report_digest(report: &[u8]) -> Digest {
    let mut copy = [0; 512];
    let length = report.len().min(copy.len());
    copy[..length].copy_from_slice(&report[..length]);
    copy[INDEX_AT..INDEX_AT + 4].fill(0);
    copy[4..HEADER_BYTES].fill(0);
    digest(&copy[..length])
}

/// Header and sequence of a report; `None` if the bytes are none.
fn read_report(bytes: &[u8]) -> Option<(Header, u64)> {
    let (header, rest) = Header::read_from_prefix(bytes).ok()?;
    let (place, _) = Place::read_from_prefix(rest).ok()?;
    (header.kind >= FIRST_REPORT && usize::from(header.length) == bytes.len()).then_some((header, place.sequence.0))
}

impl LedgerCheck {
    /// Reads a ledger.
    ///
    /// # Errors
    /// It cannot be read, or holds more requests than can be told apart.
    pub fn load(ledger: &mut dyn AckLedger) -> Result<Self, ReplayError> {
        let mut check = Self {
            claims: Vec::new(),
            answers: FxHashMap::default(),
            received: FxHashMap::default(),
            effects: FxHashMap::default(),
            outcome: LedgerOutcome::default(),
            unanswered: Vec::new(),
            derived: Vec::new(),
        };
        while let Some(request) = ledger.next_request() {
            check.add(&request.map_err(ReplayError::Ledger)?)?;
        }
        Ok(check)
    }

    fn add(&mut self, acked: &AckedRequest) -> Result<(), ReplayError> {
        let number = u32::try_from(self.claims.len())
            .map_err(|_| ReplayError::Ledger("more than 2^32 requests in one ledger; split it".to_owned()))?;
        let Ok((header, body)) = Header::read_from_prefix(&acked.message) else {
            return Err(ReplayError::Ledger(format!("request {number} is shorter than a message's header")));
        };
        let mut claim = Claim {
            body: digest(body),
            session: acked.session,
            request: header.request,
            kind: header.kind,
            effective: false,
            found: false,
            different: false,
        };
        let (mut answer, mut echoed) = (None, false);
        for report in &acked.reports {
            let Some((answered, sequence)) = read_report(report) else {
                claim.different = true;
                continue;
            };
            // The first report that echoes the request is its answer. One that came to another session, after a resume,
            // echoes nothing: then the first report must do.
            let echoes = header.request != 0 && answered.request == header.request;
            if answer.is_none() || echoes && !echoed {
                answer = Some(sequence);
            }
            echoed |= echoes;
            claim.effective |= has_effect(answered.kind, report);
            self.received.entry(sequence).or_default().push((number, report_digest(report)));
        }
        match answer {
            Some(sequence) => self.answers.entry(sequence).or_default().push(number),
            None => self.unanswered.push(number),
        }
        if claim.effective {
            self.effects.entry(claim.body).or_insert(0);
        }
        self.outcome.acked += 1;
        self.claims.push(claim);
        Ok(())
    }

    /// Compares a frame with what the ledger says of its sequence.
    pub fn frame(&mut self, frame: &FrameParts<'_>) {
        let Ok((origin, header, message)) = split_command(frame.command) else { return };
        let body = message.get(HEADER_BYTES..).unwrap_or_default();
        let mut own = None;
        if needs_effect(header.kind) && caused_effect(frame.events) {
            let body = *own.get_or_insert_with(|| digest(body));
            if let Some(count) = self.effects.get_mut(&body) {
                *count += 1;
            }
        }
        let sequence = frame.sequence.0;
        if let Some(numbers) = self.answers.remove(&sequence) {
            let body = own.unwrap_or_else(|| digest(body));
            for number in numbers {
                let claim = &mut self.claims[number as usize];
                let sender = claim.session == 0 || claim.session == origin.session.0;
                // The same body under another request number is the retry that was answered.
                claim.found = claim.body == body && (sender || claim.request != header.request);
            }
        }
        if let Some(received) = self.received.remove(&sequence) {
            self.compare_reports(frame, origin.key, &received);
        }
    }

    /// Each report that was received must be among those that the frame yields, as often as it was received.
    fn compare_reports(&mut self, frame: &FrameParts<'_>, key: KeyId, received: &[Received]) {
        let everything = View {
            first_account: AccountId(0),
            last_account: AccountId(u32::MAX),
            own_only: false,
            key,
            session: SessionId(0),
        };
        let mut derived = std::mem::take(&mut self.derived);
        derived.clear();
        let complete = reports(frame, &everything, &mut |report| derived.push((0, report_digest(report)))).is_ok();
        for (number, digest) in received {
            if !complete || !derived.iter().any(|(_, known)| known == digest) {
                self.claims[*number as usize].different = true;
            }
        }
        self.derived = derived;
    }

    /// What came of it: `after` and `last` bound what was executed.
    pub fn finish(mut self, after: u64, last: u64, findings: &mut Vec<String>) -> LedgerOutcome {
        let mut unchecked = vec![false; self.claims.len()];
        for (sequence, numbers) in std::mem::take(&mut self.answers) {
            for number in numbers {
                unchecked[number as usize] = sequence <= after;
                if sequence > after {
                    let claim = self.claims[number as usize];
                    tell(
                        findings,
                        format!("{}: answered at sequence {sequence}, the journal ends at {last}", name(&claim)),
                    );
                }
            }
        }
        let mut doubled_told = FxHashMap::default();
        for (claim, unchecked) in self.claims.iter().zip(unchecked) {
            if unchecked {
                self.outcome.unchecked += 1;
                continue;
            }
            let effects = self.effects.get(&claim.body).copied();
            let lost = claim.effective && effects == Some(0) && after == 0 && needs_effect(claim.kind);
            if !claim.found || lost {
                self.outcome.missing += 1;
                tell(findings, format!("{}: acknowledged, but not in the journal", name(claim)));
            } else if claim.different {
                self.outcome.different += 1;
                tell(findings, format!("{}: the journal gives another outcome than was reported", name(claim)));
            }
            // However often it was acknowledged, it was doubled once.
            if effects > Some(1) && doubled_told.insert(claim.body, ()).is_none() {
                self.outcome.doubled += 1;
                tell(findings, format!("{}: had effect {} times", name(claim), effects.unwrap_or(0)));
            }
        }
        self.outcome
    }
}

fn name(claim: &Claim) -> String {
    let kind = MessageType::from_code(claim.kind).map_or("unknown", MessageType::name);
    format!("request {} ({kind}) of session {:#x}", claim.request, claim.session)
}

fn needs_effect(kind: u8) -> bool {
    use MessageType::{AdjustMargin, Deposit, NewOrder, Transfer, Withdraw};
    matches!(MessageType::from_code(kind), Some(NewOrder | Deposit | Withdraw | Transfer | AdjustMargin))
}

/// Whether a report says that the request had effect, now or earlier.
fn has_effect(kind: u8, report: &[u8]) -> bool {
    use ringbook_wire::message::Message;
    use ringbook_wire::report::{Replayed, Transfer};
    match ReportType::from_code(kind) {
        Some(ReportType::Accepted) => true,
        Some(ReportType::Replayed) => Replayed::read(report).is_some_and(|report| report.order.0 != 0),
        Some(ReportType::Transfer) => Transfer::read(report).is_some_and(|report| report.code == 0),
        _ => false,
    }
}

/// Whether a frame's command had effect: an order accepted, money moved.
fn caused_effect(event_bytes: &[u8]) -> bool {
    events(event_bytes).map_while(Result::ok).any(|event| match event {
        Event::Accepted(_) => true,
        Event::Transfer(transfer) => transfer.header.b == 0,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbook_event::{Accepted, Origin, Record};
    use ringbook_wire::message::{Message, NewOrder};
    use ringbook_wire::{Amount, ClientOrderId, OrderId, Price, Qty, Sequence, SymbolId, Term, TimestampNs};
    use zerocopy::IntoBytes;

    const SESSION: SessionId = SessionId::new(KeyId(2), 1);

    /// An engine that forgets would accept one order twice; this one cannot, so the frames are made by hand.
    fn accepted(sequence: u64, client_id: u64) -> (Vec<u8>, Vec<u8>, u64) {
        let order = NewOrder { client_id: ClientOrderId([client_id, 0]), account: AccountId(20), ..NewOrder::new(9) };
        let event = Accepted {
            header: Accepted::header(1, 1, 20),
            order: OrderId(sequence),
            symbol: SymbolId(1),
            stp: 1,
            reserved: [0; 3],
            price: Price(5),
            quantity: Qty(1),
            hold: Amount(5),
        };
        let command = [Origin::session(SESSION).as_bytes(), order.as_bytes()].concat();
        (command, event.as_bytes().to_vec(), sequence)
    }

    fn parts((command, events, sequence): &(Vec<u8>, Vec<u8>, u64)) -> FrameParts<'_> {
        let (sequence, time, term) = (Sequence(*sequence), TimestampNs(1), Term(1));
        FrameParts { sequence, time, term, command, events }
    }

    fn acked(frame: &FrameParts<'_>) -> AckedRequest {
        let (first_account, last_account) = (AccountId(20), AccountId(20));
        let view = View { first_account, last_account, own_only: false, key: KeyId(2), session: SESSION };
        let mut told = Vec::new();
        reports(frame, &view, &mut |report| told.push(report.to_vec())).unwrap();
        AckedRequest { session: SESSION.0, message: frame.command[16..].to_vec(), reports: told }
    }

    fn outcome(ledger: &[AckedRequest], frames: &[FrameParts<'_>]) -> LedgerOutcome {
        let mut check = LedgerCheck::load(&mut ledger.iter().cloned().map(Ok)).unwrap();
        frames.iter().for_each(|frame| check.frame(frame));
        check.finish(0, 100, &mut Vec::new())
    }

    #[test]
    fn an_order_that_was_accepted_twice_is_doubled() {
        let (first, other, again) = (accepted(5, 1), accepted(6, 2), accepted(7, 1));
        let (first, other, again) = (parts(&first), parts(&other), parts(&again));
        let ledger = [acked(&first), acked(&other)];
        let fine = LedgerOutcome { acked: 2, ..LedgerOutcome::default() };
        assert_eq!(outcome(&ledger, &[first, other]), fine);
        assert_eq!(outcome(&ledger, &[first, other, again]), LedgerOutcome { doubled: 1, ..fine });
        assert_eq!(outcome(&ledger, &[first]), LedgerOutcome { missing: 1, ..fine });
        // Acknowledged twice and accepted twice: doubled once.
        let twice = [acked(&first), acked(&again)];
        assert_eq!(outcome(&twice, &[first, other, again]), LedgerOutcome { doubled: 1, ..fine });
    }

    #[test]
    fn a_ledger_that_cannot_be_read_is_an_error() {
        let mut broken = [Err("line 3".to_owned())].into_iter();
        assert!(matches!(LedgerCheck::load(&mut broken), Err(ReplayError::Ledger(_))));
        let mut short = [Ok(AckedRequest { message: vec![1], ..AckedRequest::default() })].into_iter();
        assert!(matches!(LedgerCheck::load(&mut short), Err(ReplayError::Ledger(_))));
    }
}
