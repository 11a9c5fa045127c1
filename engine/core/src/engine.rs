//! The command cycle (DOMAIN §5.1): one command in, its events out, nothing else.
//!
//! Invariants:
//! 1. Sequences rise by one and time never falls; anything else is a [`Fault`] of the caller, and nothing was done.
//! 2. Every command yields at least one event; BALANCE comes last (docs/EVENTS.md).
//! 3. While work is pending that must not be interrupted, only CONTINUE is executed.

use crate::accounts::Accounts;
use crate::dedupe::{Dedupe, Known};
use crate::expiry::Expiry;
use crate::keys::Keys;
use crate::orders::{NIL, Orders};
use crate::pending::{Cause, Task, Work};
use crate::perpetual::{Buckets, Chore, FundRound, Liquidation, Positions, Rankings};
use crate::sessions::Sessions;
use crate::symbols::Symbols;
use ringbook_event::{Balance, EventWriter, Handled, Origin, Position, Record, Rejected, Replayed, split_command};
use ringbook_wire::message::{
    AdjustMargin, Amend, BustTrade, Cancel, CancelAll, Deposit, Funding, Genesis, Mark, Message, MessageType, NewOrder,
    Quarantine, SessionDown, SetAccount, SetAsset, SetFees, SetKey, SetLeverage, SetPerpetual, SetPositionLimit,
    SetStatus, SetSymbol, SettleSymbol, Transfer, Withdraw,
};
use ringbook_wire::{
    AccountId, Amount, ClientOrderId, KeyId, Qty, RejectCode, Role, Sequence, SymbolId, TimestampNs, Wallet,
};
use std::collections::{BTreeSet, VecDeque};

/// Version of the rule book that this build executes.
pub const RULES_VERSION: u32 = 1;
/// Least bound of the events of one command that [`Genesis`] may set.
pub const MIN_EVENT_BYTES: u32 = 4_096;

/// Greatest bound of the events of one command: the reports of one frame stay below 65,535.
pub const MAX_EVENT_BYTES: u32 = 2 << 20;

/// A command that cannot be executed because its caller broke the contract. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes are not an origin and a message of a command type.
    #[error(
        "sequence {0}: the command's bytes are not a command of this version; use the binary that wrote the journal"
    )]
    NotACommand(u64),
    /// Sequence gap.
    #[error("sequence {got} where {expected} must come: a frame is missing or doubled")]
    Sequence {
        /// What came.
        got: u64,
        /// What must come.
        expected: u64,
    },
    /// Time fell.
    #[error("sequence {0}: time falls")]
    Time(u64),
    /// GENESIS is missing, repeated or not executable here.
    #[error("sequence {0}: {1}")]
    Genesis(u64, &'static str),
    /// A command came between parts of uninterruptible work.
    #[error("sequence {0}: a command other than CONTINUE came between parts of pending work")]
    Interrupted(u64),
    /// More orders are due than the command may take with it.
    #[error("sequence {0}: too many orders are due at its time: a TICK must go first")]
    Due(u64),
}

/// Whether the engine needs CONTINUE (DOMAIN §5.1a).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Nothing is pending.
    Nothing,
    /// Other commands may come between, at least one CONTINUE after each.
    Interruptible,
    /// The next command must be CONTINUE.
    Exclusive,
}

/// Settings of a journal's first command that the rules depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub seed: [u64; 2],
    pub rules: u32,
    pub shard: u32,
    pub dedupe_capacity: u32,
    pub max_event_bytes: u32,
    pub max_orders: u32,
}

/// The whole state of a shard.
#[derive(Clone)]
pub struct Engine {
    pub(crate) settings: Settings,
    pub(crate) sequence: Sequence,
    pub(crate) time: TimestampNs,
    pub(crate) next_order: u64,
    pub(crate) next_trade: u64,
    pub(crate) next_queue: u64,
    /// Only cancels, deposits and the operator go on.
    pub(crate) maintenance: bool,
    /// Trades that the operator took back, by number.
    pub(crate) busted: BTreeSet<u64>,
    pub(crate) symbols: Symbols,
    pub(crate) accounts: Accounts,
    pub(crate) orders: Orders,
    pub(crate) dedupe: Dedupe,
    pub(crate) keys: Keys,
    /// Orders with the cancel-on-disconnect flag, by session.
    pub(crate) sessions: Sessions,
    pub(crate) work: VecDeque<Work>,
    /// Open orders with an expiry.
    pub(crate) expiry: Expiry,
    /// Stop orders whose trigger has come, in the order in which they run.
    pub(crate) fired: VecDeque<u32>,
    /// The command that is being executed, or that CONTINUE goes on with.
    pub(crate) cause: Cause,
    /// Pieces of work that were pending before this command.
    pub(crate) pending_before: usize,
    /// Records of positions in perpetuals.
    pub(crate) positions: Positions,
    /// A perpetual's taker that is being matched, or that is pending.
    pub(crate) matching: u32,
    /// What fills have left to do for reduce-only orders and margin.
    pub(crate) chores: VecDeque<Chore>,
    /// Buckets to be tested.
    pub(crate) touched: Buckets,
    /// The bucket that is being liquidated.
    pub(crate) liquidation: Option<Liquidation>,
    /// The fund's own ADL that is due, by asset.
    pub(crate) fund_rounds: Vec<FundRound>,
    /// Ranks of auto-deleveraging; a cache.
    pub(crate) rankings: Rankings,
    /// Slots, for the length of a call.
    pub(crate) scratch: Vec<u32>,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// The state before the first command.
    pub fn new() -> Self {
        let settings =
            Settings { seed: [0; 2], rules: 0, shard: 0, dedupe_capacity: 0, max_event_bytes: 0, max_orders: 0 };
        let mut accounts = Accounts::default();
        for id in [AccountId::FEES, AccountId::INSURANCE, AccountId::ROUNDING, AccountId::EXTERNAL] {
            accounts.add(id);
        }
        Self {
            settings,
            sequence: Sequence(0),
            time: TimestampNs(0),
            next_order: 1,
            next_trade: 1,
            next_queue: 1,
            maintenance: false,
            busted: BTreeSet::new(),
            symbols: Symbols::default(),
            accounts,
            orders: Orders::new(0),
            dedupe: Dedupe::new([0; 2], 0, 0),
            keys: Keys::default(),
            sessions: Sessions::default(),
            work: VecDeque::new(),
            expiry: Expiry::new(0, 0),
            fired: VecDeque::new(),
            cause: Cause::NONE,
            pending_before: 0,
            positions: Positions::default(),
            matching: NIL,
            chores: VecDeque::new(),
            touched: Buckets::new(),
            liquidation: None,
            fund_rounds: Vec::new(),
            rankings: Rankings::default(),
            scratch: Vec::new(),
        }
    }

    /// Sequence of the last command.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Engine time.
    pub fn time(&self) -> TimestampNs {
        self.time
    }

    /// Bound of one command's event bytes; 0 before GENESIS.
    pub fn max_event_bytes(&self) -> usize {
        self.settings.max_event_bytes as usize
    }

    /// Whether a TICK must go before another command of this time, because more orders expire than it may take with it.
    #[inline]
    pub fn needs_tick(&self, time: TimestampNs) -> bool {
        self.next_expiry().is_some_and(|due| due <= time) && self.expiry.crowded(time)
    }

    /// When the next order expires.
    #[inline]
    pub fn next_expiry(&self) -> Option<TimestampNs> {
        self.expiry.first_due()
    }

    /// Whether CONTINUE is due.
    #[inline]
    pub fn pending(&self) -> Pending {
        match self.work.front() {
            None => Pending::Nothing,
            Some(work) if work.is_interruptible() => Pending::Interruptible,
            Some(_) => Pending::Exclusive,
        }
    }

    /// Executes one command: `command` is origin and message as in a journal frame, `buffer` takes the event bytes
    /// and is at least [`Self::max_event_bytes`] long, for GENESIS as long as the `max_event_bytes` that it sets. Returns how many were written.
    ///
    /// # Errors
    /// The caller broke the contract (see [`Fault`]); nothing was changed.
    ///
    /// # Panics
    /// An invariant of the engine is broken; nothing of this command may be published.
    pub fn apply(
        &mut self,
        sequence: Sequence,
        time: TimestampNs,
        command: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, Fault> {
        let not_a_command = Fault::NotACommand(sequence.0);
        let (origin, header, message) = split_command(command).map_err(|_| not_a_command.clone())?;
        let kind = MessageType::from_code(header.kind)
            .filter(|kind| kind.bytes() == message.len() && header.kind >= MessageType::FIRST_COMMAND)
            .ok_or(not_a_command)?;
        if sequence.0 != self.sequence.0 + 1 {
            return Err(Fault::Sequence { got: sequence.0, expected: self.sequence.0 + 1 });
        }
        if time < self.time {
            return Err(Fault::Time(sequence.0));
        }
        if (kind == MessageType::Genesis) != (self.settings.rules == 0) {
            return Err(Fault::Genesis(sequence.0, "GENESIS must be the first command, once"));
        }
        let goes_on = || {
            kind == MessageType::Continue
                || Quarantine::read(message).is_some_and(|m| m.kind == MessageType::Continue as u8)
        };
        if self.pending() == Pending::Exclusive && !goes_on() {
            return Err(Fault::Interrupted(sequence.0));
        }
        let due = self.expiry.first_due().is_some_and(|due| due <= time);
        let expires = due && !matches!(kind, MessageType::Continue | MessageType::Quarantine);
        if expires && kind != MessageType::Tick && self.expiry.crowded(time) {
            return Err(Fault::Due(sequence.0));
        }
        if kind == MessageType::Genesis {
            self.genesis(&read(message), sequence)?;
        }
        self.sequence = sequence;
        self.time = time;
        self.accounts.begin(sequence);
        self.positions.begin(sequence);
        self.pending_before = self.work.len();
        self.cause = Cause { origin, request: header.request, kind, sequence };
        let mut out = EventWriter::new(&mut buffer[..self.settings.max_event_bytes as usize]);
        if expires && kind != MessageType::Tick {
            self.begin_ending(Task::Expire { until: time }, &mut out);
        }
        self.dispatch(kind, origin, message, &mut out);
        self.write_balances(&mut out);
        assert!(!out.is_empty(), "every command yields at least one event");
        Ok(out.len())
    }

    fn dispatch(&mut self, kind: MessageType, origin: Origin, message: &[u8], out: &mut EventWriter<'_>) {
        match kind {
            MessageType::NewOrder => self.new_order(origin, &read::<NewOrder>(message), message, out),
            MessageType::Cancel => self.cancel(origin, &read::<Cancel>(message), out),
            MessageType::Amend => self.amend(origin, &read::<Amend>(message), out),
            MessageType::CancelAll => self.cancel_all(origin, &read::<CancelAll>(message), out),
            MessageType::Deposit => self.deposit(origin, &read::<Deposit>(message), message, out),
            MessageType::Withdraw => self.withdraw(origin, &read::<Withdraw>(message), message, out),
            MessageType::SetLeverage => self.set_leverage(origin, &read::<SetLeverage>(message), out),
            MessageType::Transfer => self.transfer(origin, &read::<Transfer>(message), message, out),
            MessageType::AdjustMargin => self.adjust_margin(origin, &read::<AdjustMargin>(message), message, out),
            MessageType::SetPerpetual => self.set_perpetual(origin, &read::<SetPerpetual>(message), out),
            MessageType::SetPositionLimit => self.set_position_limit(origin, &read::<SetPositionLimit>(message), out),
            MessageType::Mark => self.mark(origin, &read::<Mark>(message), out),
            MessageType::Funding => self.funding(origin, &read::<Funding>(message), out),
            MessageType::SettleSymbol => self.settle_symbol(origin, &read::<SettleSymbol>(message), out),
            MessageType::SetAsset => self.set_asset(origin, &read::<SetAsset>(message), out),
            MessageType::SetSymbol => self.set_symbol(origin, &read::<SetSymbol>(message), out),
            MessageType::SetAccount => self.set_account(origin, &read::<SetAccount>(message), out),
            MessageType::SetFees => self.set_fees(origin, &read::<SetFees>(message), out),
            MessageType::BustTrade => self.bust_trade(origin, &read::<BustTrade>(message), out),
            MessageType::SetStatus => self.set_status(origin, &read::<SetStatus>(message), out),
            MessageType::SetKey => self.set_key(origin, &read::<SetKey>(message), out),
            MessageType::Genesis => self.configured(kind, 0, out),
            MessageType::Continue => self.continue_work(out),
            MessageType::SessionDown => self.session_down(&read::<SessionDown>(message), out),
            MessageType::Tick => {
                let (count, more) = self.begin_ending(Task::Expire { until: self.time }, out);
                self.handled(kind, AccountId(0), count, 0, more, out);
            }
            MessageType::Quarantine => self.quarantine(&read::<Quarantine>(message), out),
            MessageType::Logon | MessageType::Logout | MessageType::Heartbeat | MessageType::StateRequest => {
                unreachable!("session messages were refused above")
            }
        }
    }

    fn genesis(&mut self, message: &Genesis, sequence: Sequence) -> Result<(), Fault> {
        let fault = |text| Err(Fault::Genesis(sequence.0, text));
        if message.rules != RULES_VERSION {
            return fault("the journal was begun under rules that this binary does not execute; use a newer binary");
        }
        if message.max_event_bytes < MIN_EVENT_BYTES || message.max_event_bytes > MAX_EVENT_BYTES {
            return fault("max_event_bytes must lie between 4096 and 2097152");
        }
        if message.dedupe_capacity == 0 || message.dedupe_capacity >= 1 << 30 {
            return fault("dedupe_capacity must lie between 1 and 2^30");
        }
        if message.max_orders == 0 || message.max_orders >= 1 << 30 {
            return fault("max_orders must lie between 1 and 2^30");
        }
        self.restore_settings(Settings {
            seed: message.seed,
            rules: message.rules,
            shard: message.shard,
            dedupe_capacity: message.dedupe_capacity,
            max_event_bytes: message.max_event_bytes,
            max_orders: message.max_orders,
        });
        Ok(())
    }

    /// Sets what depends on the settings; before any order exists.
    pub(crate) fn restore_settings(&mut self, settings: Settings) {
        self.orders = Orders::new(settings.max_orders as usize);
        self.dedupe = Dedupe::new(settings.seed, settings.dedupe_capacity as usize, settings.max_orders as usize);
        self.expiry = Expiry::new(settings.seed[0], settings.max_orders as usize);
        self.settings = settings;
    }

    /// BALANCE and POSITION of what differs from before the command, by account.
    fn write_balances(&mut self, out: &mut EventWriter<'_>) {
        self.accounts.sort_touched();
        self.positions.sort_touched();
        let mut next = 0;
        for at in 0..self.accounts.touched_count() {
            let before = self.accounts.touched(at);
            next = self.write_positions(next, Some(before.account), out);
            let (available, held) = match before.wallet {
                Wallet::Spot => self.accounts.balance(before.slot, before.asset),
                Wallet::Futures => (self.accounts.futures(before.slot, before.asset), Amount::ZERO),
            };
            if (available, held) != (before.available, before.held) {
                let header = Balance::header(before.wallet.code(), 0, before.account.0);
                out.push(&Balance { header, asset: before.asset, reserved: 0, available, held });
            }
        }
        self.write_positions(next, None, out);
    }

    /// POSITIONs of the accounts in front of one, from a place on; the place behind them.
    fn write_positions(&self, from: usize, until: Option<AccountId>, out: &mut EventWriter<'_>) -> usize {
        let mut at = from;
        while let Some(touched) = self.positions.touched(at)
            && until.is_none_or(|until| touched.owner < until)
        {
            let now = self.positions.get(touched.slot).state;
            if now != touched.before {
                out.push(&Position {
                    header: Position::header(now.mode.code(), 0, touched.owner.0),
                    symbol: touched.symbol,
                    leverage: now.leverage,
                    quantity: Qty(now.quantity),
                    cost: now.cost,
                    margin: now.margin,
                });
            }
            at += 1;
        }
        at
    }

    /// HANDLED of a command that leaves work pending.
    pub(crate) fn handle_rest(&self, kind: MessageType, account: AccountId, out: &mut EventWriter<'_>) {
        if self.work.len() > self.pending_before {
            self.handled(kind, account, 0, 0, true, out);
        }
    }

    /// Writes REJECTED.
    pub(crate) fn reject(
        &self,
        kind: MessageType,
        account: AccountId,
        client_id: ClientOrderId,
        code: RejectCode,
        out: &mut EventWriter<'_>,
    ) {
        let sender_only = matches!(code, RejectCode::BadRequest | RejectCode::UnknownAccount);
        let header = Rejected::header(kind as u8, u8::from(sender_only), account.0);
        out.push(&Rejected { header, code: code.code(), reserved: [0; 6], client_id });
    }

    /// Writes HANDLED.
    pub(crate) fn handled(
        &self,
        kind: MessageType,
        account: AccountId,
        count: u32,
        argument: u64,
        more: bool,
        out: &mut EventWriter<'_>,
    ) {
        let header = Handled::header(kind as u8, u8::from(more), account.0);
        out.push(&Handled { header, count, reserved: 0, argument, reserved2: 0 });
    }

    /// Writes REPLAYED for what an id led to (docs/EVENTS.md, dedupe).
    pub(crate) fn replay(&self, kind: MessageType, known: Known, out: &mut EventWriter<'_>) {
        let replayed = match known {
            Known::Open(slot) => {
                let order = self.orders.get(slot);
                let state = order.open_state();
                Replayed {
                    header: Replayed::header(state.code(), kind as u8, self.accounts.get(order.account).id.0),
                    order: order.id,
                    sequence: order.accepted,
                    code: 0,
                    reason: 0,
                    reserved: [0; 5],
                    filled: order.filled,
                    remaining: order.remaining,
                    cost: order.cost,
                    client_id: self.dedupe.request(order.known).client_id,
                    fee: order.fee,
                }
            }
            Known::Ended(at) => {
                let (request, outcome) = (self.dedupe.request(at), self.dedupe.outcome(at));
                Replayed {
                    header: Replayed::header(outcome.state.code(), kind as u8, self.accounts.get(request.account).id.0),
                    order: request.order,
                    sequence: outcome.sequence,
                    code: outcome.code,
                    reason: outcome.reason.map_or(0, |reason| reason.code()),
                    reserved: [0; 5],
                    filled: outcome.filled,
                    remaining: outcome.remaining,
                    cost: outcome.cost,
                    client_id: request.client_id,
                    fee: outcome.fee,
                }
            }
        };
        out.push(&replayed);
    }

    /// The account that a command acts for, if it exists and its sender may act for it in one of these roles.
    #[inline]
    pub(crate) fn authorise(&self, key: KeyId, account: AccountId, roles: &[Role]) -> Result<u32, RejectCode> {
        // The exchange's own accounts take money commands only (DOMAIN §3.1).
        if account.is_system() && roles != [Role::Funds] {
            return Err(RejectCode::UnknownAccount);
        }
        let slot = self.accounts.find(account).ok_or(RejectCode::UnknownAccount)?;
        if self.keys.may_act(key, account, roles) { Ok(slot) } else { Err(RejectCode::UnknownAccount) }
    }

    /// [`Self::authorise`] for orders: the operator may trade for INSURANCE (docs/PERPETUAL.md).
    #[inline]
    pub(crate) fn authorise_order(&self, key: KeyId, account: AccountId, roles: &[Role]) -> Result<u32, RejectCode> {
        if account != AccountId::INSURANCE {
            return self.authorise(key, account, roles);
        }
        let may = self.keys.may_act(key, account, &[Role::Admin]);
        if may { Ok(self.system(account)) } else { Err(RejectCode::UnknownAccount) }
    }

    /// Whether the symbol id names a symbol.
    pub(crate) fn knows_symbol(&self, id: SymbolId) -> bool {
        self.symbols.get(id).is_some()
    }
}

/// A message whose length was checked.
#[inline]
fn read<M: Message>(message: &[u8]) -> M {
    M::read(message).expect("type and length were checked")
}
