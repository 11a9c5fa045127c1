//! The office: what takes long and must not run on the hot path. Signatures, history for resuming clients, states.
//!
//! One thread serves all workers; each job carries its connection's ticket and its answer goes back to that worker's
//! inbox. History is served in pieces of bounded size at a bounded rate, so that a mass reconnect does not touch live
//! traffic.
//!
//! Invariant: the office only reads; a job of a connection that is gone is answered to nobody.

use crate::trades::as_journaled;
use ed25519_dalek::{Signature, VerifyingKey};
use ringbook_core::{BalanceView, OrderView, PositionView};
use ringbook_journal::{ReadError, Reader, Watermarks};
use ringbook_pipeline::Wake;
use ringbook_report::{FrameParts, View, account_stream, key_stream, reports};
use ringbook_wire::codec::write;
use ringbook_wire::message::{BustTrade, Logon, Message, logon_flags};
use ringbook_wire::report::{StateBalance, StateBegin, StateEnd, StateOrder, StatePosition};
use ringbook_wire::{
    AccountId, Amount, AssetId, Qty, Sequence, SessionError, Term, TimestampNs, TriggerSource, Wallet,
};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering};
use std::time::{Duration, Instant};

/// Bytes of history in one piece.
const PIECE_BYTES: usize = 256 << 10;
/// Frames looked at for one piece, so that long stretches without a report do not hold others up.
const PIECE_FRAMES: usize = 20_000;
/// Views of at most so many accounts are served by the index, wider ones by reading on.
const INDEXED_ACCOUNTS: u32 = 64;
/// [`Logon::index`]: all reports of the sequence were received.
pub const WHOLE: u16 = u16::MAX;

/// Where an answer goes: a connection of a worker. The generation tells a reused slot from the one that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub slot: usize,
    pub generation: u64,
}

/// An account's state for a client, from the shadow.
#[derive(Clone, Debug)]
pub struct AccountView {
    /// The state is the one after this sequence.
    pub sequence: Sequence,
    /// Its engine time.
    pub time: TimestampNs,
    /// Its term.
    pub term: Term,
    /// Whether there is such an account.
    pub exists: bool,
    /// Its last adjustment number.
    pub adjustment: u64,
    /// Its wallets by asset.
    pub balances: Vec<BalanceView>,
    /// Its futures wallets by asset.
    pub futures: Vec<(AssetId, Amount)>,
    /// Its records in perpetuals by symbol.
    pub positions: Vec<PositionView>,
    /// Its open orders by id.
    pub orders: Vec<OrderView>,
}

/// Takes a state.
pub type StateReply = Box<dyn FnOnce(Result<AccountView, String>) + Send>;

/// Where states come from.
pub trait StateSource: Send {
    /// Gives the state of an account after a sequence that is at least `min_sequence` to `reply`, on whatever thread and
    /// whenever it is there; or in words why it cannot be had. Does not wait.
    fn account(&self, account: AccountId, min_sequence: Sequence, reply: StateReply);
}

/// What the office is asked.
pub enum Job {
    /// Whether the signature is the key's.
    Verify { ticket: Ticket, logon: Logon, nonce: [u8; 32], public_key: [u8; 32] },
    /// A piece of history from a sequence on, without its first `skip` reports.
    History { ticket: Ticket, view: View, from: u64, skip: u16 },
    /// An account's state.
    State { ticket: Ticket, request: u32, account: AccountId, min_sequence: u64, allowed: bool },
    /// Whether the journal has the trade of a BUST_TRADE.
    Trade { ticket: Ticket, asked: Box<BustTrade> },
    /// The connection is gone: forget what was kept for it.
    Gone { ticket: Ticket },
}

/// What a worker is told.
pub enum Answer {
    Verified {
        logon: Box<Logon>,
        /// The key that the signature was checked against.
        public_key: [u8; 32],
        valid: bool,
    },
    /// Reports up to, not including, `next`.
    Piece {
        bytes: Vec<u8>,
        next: u64,
    },
    /// The command as the journal has its trade, or none.
    Trade {
        asked: Box<BustTrade>,
        journaled: Option<Box<BustTrade>>,
    },
    Refused {
        code: SessionError,
        text: String,
    },
    State {
        bytes: Vec<u8>,
    },
    StateFailed {
        request: u32,
        text: String,
    },
}

/// A job and the worker that asks.
pub struct Asked {
    pub job: Job,
    pub inbox: Sender<(Ticket, Answer)>,
    pub wake: Wake,
}

/// See the module.
pub struct Office {
    jobs: Receiver<Asked>,
    watermarks: Watermarks,
    states: Box<dyn StateSource>,
    readers: FxHashMap<Ticket, Reader>,
    bytes_per_s: u64,
    /// Pieces of history that were read and go out when the rate allows, oldest first.
    paced: VecDeque<Paced>,
    /// When the last of them goes out.
    paced_until: Instant,
}

/// A piece of history that waits for its time.
struct Paced {
    due: Instant,
    ticket: Ticket,
    answer: Answer,
    inbox: Sender<(Ticket, Answer)>,
    wake: Wake,
}

impl Office {
    /// An office for the workers that hold the other end of `jobs`.
    pub(crate) fn new(jobs: Receiver<Asked>, watermarks: Watermarks, states: Box<dyn StateSource>, rate: u64) -> Self {
        Self {
            jobs,
            watermarks,
            states,
            readers: FxHashMap::default(),
            bytes_per_s: rate.max(1),
            paced: VecDeque::new(),
            paced_until: Instant::now(),
        }
    }

    /// Serves jobs until `stop`, or until no worker is left.
    pub fn run(mut self, stop: &Arc<AtomicBool>) {
        while !stop.load(Ordering::Acquire) {
            let now = Instant::now();
            while self.paced.front().is_some_and(|piece| piece.due <= now)
                && let Some(Paced { ticket, answer, inbox, wake, .. }) = self.paced.pop_front()
            {
                send(&inbox, &wake, ticket, answer);
            }
            let due = self.paced.front().map_or(Duration::MAX, |piece| piece.due - now);
            match self.jobs.recv_timeout(due.min(Duration::from_millis(100))) {
                Ok(asked) => self.serve(asked),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn serve(&mut self, asked: Asked) {
        let Asked { job, inbox, wake } = asked;
        let (ticket, answer) = match job {
            Job::Verify { ticket, logon, nonce, public_key } => {
                let valid = VerifyingKey::from_bytes(&public_key).is_ok_and(|key| {
                    key.verify_strict(&logon.signed_bytes(&nonce), &Signature::from_bytes(&logon.signature)).is_ok()
                });
                let token = (logon.term.0, logon.sequence.0);
                let refused =
                    if valid && logon.flags & logon_flags::RESUME != 0 { self.check_token(token).err() } else { None };
                (ticket, refused.unwrap_or(Answer::Verified { logon: Box::new(logon), public_key, valid }))
            }
            Job::History { ticket, view, from, skip } => {
                let answer = self.history(ticket, &view, from, skip);
                let Answer::Piece { bytes, .. } = &answer else {
                    return send(&inbox, &wake, ticket, answer);
                };
                // The rate holds for all together; logons and states do not wait for it.
                let takes = Duration::from_nanos(bytes.len() as u64 * 1_000_000_000 / self.bytes_per_s);
                self.paced_until = self.paced_until.max(Instant::now()) + takes;
                self.paced.push_back(Paced { due: self.paced_until, ticket, answer, inbox, wake });
                return;
            }
            Job::State { ticket, request, account, min_sequence, allowed } => {
                let reply = move |state: Result<AccountView, String>| {
                    let answer = match state {
                        Ok(state) => Answer::State { bytes: state_messages(request, account, allowed, &state) },
                        Err(text) => Answer::StateFailed { request, text },
                    };
                    if inbox.send((ticket, answer)).is_ok() {
                        wake.notify();
                    }
                };
                self.states.account(account, Sequence(min_sequence), Box::new(reply));
                return;
            }
            Job::Trade { ticket, asked } => {
                let journaled = as_journaled(&self.watermarks, &asked).map(Box::new);
                (ticket, Answer::Trade { asked, journaled })
            }
            Job::Gone { ticket } => {
                self.readers.remove(&ticket);
                return;
            }
        };
        send(&inbox, &wake, ticket, answer);
    }

    fn history(&mut self, ticket: Ticket, view: &View, from: u64, skip: u16) -> Answer {
        let committed = self.watermarks.committed().0;
        let oldest = self.watermarks.oldest().0.max(1);
        if from < oldest {
            let text = format!("history before {oldest} is archived; log on without RESUME and ask for the state");
            return Answer::Refused { code: SessionError::HistoryGone, text };
        }
        match self.piece(ticket, view, from, skip, committed) {
            Ok((bytes, next)) => Answer::Piece { bytes, next },
            Err(error) => {
                tracing::error!(%error, from, "history cannot be read");
                let text = "the server cannot read its history; log on without RESUME and ask for the state".into();
                Answer::Refused { code: SessionError::HistoryGone, text }
            }
        }
    }

    /// Whether a token's frame is there, committed, and of the token's term.
    fn check_token(&self, (term, sequence): (u32, u64)) -> Result<(), Answer> {
        let committed = self.watermarks.committed().0;
        let oldest = self.watermarks.oldest().0.max(1);
        let refuse = |text: String| Err(Answer::Refused { code: SessionError::BadToken, text });
        if sequence > committed {
            return refuse(format!("token {sequence} lies above the last committed sequence {committed}"));
        }
        if sequence.max(1) < oldest {
            let text = format!("history before {oldest} is archived; log on without RESUME and ask for the state");
            return Err(Answer::Refused { code: SessionError::HistoryGone, text });
        }
        if sequence == 0 {
            return Ok(());
        }
        let mut reader = self.watermarks.reader(ringbook_journal::Sequence(sequence));
        match reader.next(ringbook_journal::Sequence(sequence)) {
            // A lost history's frames have been replaced under a higher term; a token may be of a later term than its
            // frame, because the server names its own term beside what it has sent.
            Ok(Some(frame)) if frame.term <= term => Ok(()),
            Ok(Some(frame)) => {
                let known = frame.term;
                refuse(format!(
                    "sequence {sequence} is of term {known}, not {term}: that history was lost; ask for the state"
                ))
            }
            Ok(None) | Err(_) => refuse(format!("sequence {sequence} cannot be read")),
        }
    }

    fn piece(
        &mut self,
        ticket: Ticket,
        view: &View,
        from: u64,
        skip: u16,
        committed: u64,
    ) -> Result<(Vec<u8>, u64), ReadError> {
        let mut bytes = Vec::new();
        let mut skip_at = (from, usize::from(skip));
        let mut next = from;
        let width = view.last_account.0 - view.first_account.0;
        let history = self.watermarks.history();
        let indexed = history.indexed().0.min(committed);
        if width < INDEXED_ACCOUNTS && from <= indexed {
            let mut streams: Vec<u64> =
                (view.first_account.0..=view.last_account.0).map(|id| account_stream(AccountId(id))).collect();
            streams.push(key_stream(view.key));
            let after = ringbook_journal::Sequence(from - 1);
            let mut frames = history.frames_of(&streams, after, ringbook_journal::Sequence(indexed));
            let mut looked = 0;
            while bytes.len() < PIECE_BYTES && looked < PIECE_FRAMES {
                looked += 1;
                let Some(frame) = frames.next()? else {
                    next = indexed + 1;
                    break;
                };
                next = frame.sequence.0 + 1;
                append_reports(&mut bytes, &frame, view, &mut skip_at);
            }
            return Ok((bytes, next));
        }
        let mut reader = match self.readers.remove(&ticket) {
            Some(reader) if reader.next_sequence().0 == from => reader,
            _ => self.watermarks.reader(ringbook_journal::Sequence(from)),
        };
        for _ in 0..PIECE_FRAMES {
            if bytes.len() >= PIECE_BYTES {
                break;
            }
            let Some(frame) = reader.next(ringbook_journal::Sequence(committed))? else {
                break;
            };
            next = frame.sequence.0 + 1;
            append_reports(&mut bytes, &frame, view, &mut skip_at);
        }
        self.readers.insert(ticket, reader);
        Ok((bytes, next))
    }
}

/// Answers; a worker that is gone needs no answer.
fn send(inbox: &Sender<(Ticket, Answer)>, wake: &Wake, ticket: Ticket, answer: Answer) {
    if inbox.send((ticket, answer)).is_ok() {
        wake.notify();
    }
}

/// Appends a frame's reports for a view, but not the first `skip_at.1` of sequence `skip_at.0`.
pub fn append_reports(
    out: &mut Vec<u8>,
    frame: &ringbook_journal::Frame<'_>,
    view: &View,
    skip_at: &mut (u64, usize),
) -> u32 {
    let mut skip = if frame.sequence.0 == skip_at.0 { skip_at.1 } else { 0 };
    let derived = reports(&parts(frame), view, &mut |report: &[u8]| {
        if skip > 0 {
            skip -= 1;
        } else {
            out.extend_from_slice(report);
        }
    });
    derived.unwrap_or_else(|error| {
        tracing::error!(%error, "a committed frame yields no reports");
        0
    })
}

/// A frame as reports see it.
#[inline]
pub fn parts<'a>(frame: &ringbook_journal::Frame<'a>) -> FrameParts<'a> {
    FrameParts {
        sequence: Sequence(frame.sequence.0),
        time: TimestampNs(frame.time_ns),
        term: Term(frame.term),
        command: frame.command,
        events: frame.events,
    }
}

fn state_messages(request: u32, account: AccountId, allowed: bool, state: &AccountView) -> Vec<u8> {
    let mut out = Vec::new();
    let shown = allowed && state.exists;
    write(
        &mut out,
        &StateBegin {
            sequence: state.sequence,
            time: state.time,
            term: state.term,
            account,
            exists: u8::from(shown),
            adjustment: if shown { state.adjustment } else { 0 },
            ..StateBegin::new(request)
        },
    );
    let (balances, orders) = if shown { (&state.balances[..], &state.orders[..]) } else { (&[][..], &[][..]) };
    for b in balances {
        let wallet = StateBalance {
            account,
            asset: b.asset,
            wallet: 1,
            available: b.available,
            held: b.held,
            ..StateBalance::new(request)
        };
        write(&mut out, &wallet);
    }
    let futures = if shown { &state.futures[..] } else { &[] };
    for &(asset, available) in futures {
        let wallet = Wallet::Futures.code();
        write(&mut out, &StateBalance { account, asset, wallet, available, ..StateBalance::new(request) });
    }
    let positions = if shown { &state.positions[..] } else { &[] };
    for p in positions {
        let position = StatePosition {
            account,
            symbol: p.symbol,
            quantity: p.quantity,
            cost: p.cost,
            margin: p.margin,
            leverage: p.leverage,
            mode: p.mode.code(),
            ..StatePosition::new(request)
        };
        write(&mut out, &position);
    }
    for o in orders {
        let order = StateOrder {
            account,
            symbol: o.symbol,
            order: o.order,
            client_id: o.client_id,
            price: o.price,
            quantity: Qty(o.quantity.0 - o.cut.0),
            remaining: o.remaining,
            filled: o.filled,
            cost: o.cost,
            fee: o.fee,
            hold: o.hold,
            send_time: o.send_time,
            side: o.side.code(),
            order_type: o.order_type.code(),
            time_in_force: o.time_in_force.code(),
            stp: o.stp.code(),
            flags: o.flags,
            state: o.state.code(),
            prevented: o.prevented,
            cut: o.cut,
            trigger: o.trigger,
            trigger_direction: o.direction.map_or(0, |direction| direction.code()),
            trigger_source: match o.direction {
                None => 0,
                Some(_) if o.by_mark => TriggerSource::Mark.code(),
                Some(_) => TriggerSource::Last.code(),
            },
            display: o.display,
            expire_at: o.expire_at,
            ..StateOrder::new(request)
        };
        write(&mut out, &order);
    }
    let end = StateEnd {
        sequence: state.sequence,
        balances: (balances.len() + futures.len()) as u32,
        orders: orders.len() as u32,
        positions: positions.len() as u32,
        ..StateEnd::new(request)
    };
    write(&mut out, &end);
    out
}
