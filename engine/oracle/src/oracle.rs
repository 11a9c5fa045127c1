//! The oracle itself: its state, the command cycle (DOMAIN §5.1), who may do what, and BALANCE at the end.
//!
//! Invariants: time never falls; a refusal is one REJECTED and changes nothing but the ring and adjustment numbers;
//! BALANCE lists exactly the wallets that the command changed.

use crate::dedupe::Ring;
use crate::money::narrow;
use crate::perpetual::{Bucket, Position};
use crate::state::{Account, Asset, Key, Order, Symbol, Wallet};
use ringbook_event::{Balance, Config, Event, Handled, Origin, Record, Rejected};
use ringbook_wire::message::{
    self, AdjustMargin, Amend, BustTrade, Cancel, CancelAll, Deposit, Genesis, Message, MessageType, NewOrder,
    Quarantine, SessionDown, SetAccount, SetAsset, SetFees, SetKey, SetLeverage, SetPerpetual, SetPositionLimit,
    SetStatus, SetSymbol, SettleSymbol, Withdraw,
};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, Qty, RejectCode, Role, Side, SymbolId, Wallet as WalletKind, codec,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Price and shown lots of each level of a side, best first.
pub type Levels = Vec<(i64, i64)>;

/// The naive exchange; see the crate's documentation.
#[derive(Clone, Debug)]
pub struct Oracle {
    /// Engine time.
    pub(crate) now: u64,
    /// Engine time of the last command that expires orders: CONTINUE and QUARANTINE do not.
    pub(crate) expired_until: u64,
    /// Sequence of the running command.
    pub(crate) sequence: u64,
    /// Events of the running command.
    pub(crate) events: Vec<Event>,
    pub(crate) max_orders: u32,
    pub(crate) last_order: u64,
    pub(crate) last_trade: u64,
    pub(crate) last_queue: u64,
    /// The whole exchange is CANCEL_ONLY.
    pub(crate) maintenance: bool,
    /// Trades that were taken back.
    pub(crate) busted: BTreeSet<u64>,
    pub(crate) assets: BTreeMap<u32, Asset>,
    pub(crate) symbols: BTreeMap<u32, Symbol>,
    pub(crate) accounts: BTreeMap<u32, Account>,
    pub(crate) keys: BTreeMap<u32, Key>,
    /// By account and asset; one that is not there is empty.
    pub(crate) wallets: BTreeMap<(u32, u32), Wallet>,
    /// Open orders by id, that is, by acceptance.
    pub(crate) orders: BTreeMap<u64, Order>,
    pub(crate) ring: Ring,
    /// Stop orders whose condition was met and that have not run yet.
    pub(crate) fifo: VecDeque<u64>,
    /// Futures wallets by account and asset; one that is not there is empty.
    pub(crate) futures: BTreeMap<(u32, u32), i128>,
    /// By account and symbol; one that is not there is [`Oracle::default_record`].
    pub(crate) positions: BTreeMap<(u32, u32), Position>,
    /// Buckets that the command touched.
    pub(crate) touched: BTreeSet<Bucket>,
    /// The account whose bucket is being liquidated.
    pub(crate) liquidating: Option<u32>,
    /// Settlement asset of the mark that was accepted, and the symbols whose positions of the fund were done since.
    pub(crate) fund_round: Option<(u32, BTreeSet<u32>)>,
}

impl Oracle {
    /// The state after GENESIS: nothing but the exchange's own accounts.
    pub fn new(genesis: &Genesis) -> Self {
        let system = [AccountId::FEES, AccountId::INSURANCE, AccountId::ROUNDING, AccountId::EXTERNAL];
        Self {
            now: 0,
            expired_until: 0,
            sequence: 0,
            events: Vec::new(),
            max_orders: genesis.max_orders,
            last_order: 0,
            last_trade: 0,
            last_queue: 0,
            maintenance: false,
            busted: BTreeSet::new(),
            assets: BTreeMap::new(),
            symbols: BTreeMap::new(),
            accounts: system.map(|account| (account.0, Account::default())).into(),
            keys: BTreeMap::new(),
            wallets: BTreeMap::new(),
            orders: BTreeMap::new(),
            ring: Ring::new(genesis.dedupe_capacity),
            fifo: VecDeque::new(),
            futures: BTreeMap::new(),
            positions: BTreeMap::new(),
            touched: BTreeSet::new(),
            liquidating: None,
            fund_round: None,
        }
    }

    /// Executes one command and returns all its events, in order (DOMAIN §5.1).
    pub fn apply(&mut self, sequence: u64, time_ns: u64, origin: Origin, message: &[u8]) -> Vec<Event> {
        self.sequence = sequence;
        self.events = Vec::new();
        self.touched.clear();
        let before =
            Before { wallets: self.wallets.clone(), futures: self.futures.clone(), positions: self.positions.clone() };
        self.now = self.now.max(time_ns);
        let kind = MessageType::from_code(codec::header(message).kind);
        let continues = matches!(kind, Some(MessageType::Continue | MessageType::Quarantine));
        if !continues {
            self.expired_until = self.now;
        }
        let expired = if continues { 0 } else { self.expire_due() };
        self.dispatch(origin, message, expired);
        self.work();
        self.push_balances(&before);
        std::mem::take(&mut self.events)
    }

    fn dispatch(&mut self, origin: Origin, message: &[u8], expired: u32) {
        let kind = codec::header(message).kind;
        let none = ClientOrderId::NONE;
        let (account, client_id, result) = if let Some(m) = NewOrder::read(message) {
            (m.account.0, m.client_id, self.new_order(origin, &m, message))
        } else if let Some(m) = Cancel::read(message) {
            (m.account.0, m.client_id, self.cancel(origin, &m))
        } else if let Some(m) = Amend::read(message) {
            (m.account.0, m.client_id, self.amend(origin, &m))
        } else if let Some(m) = CancelAll::read(message) {
            (m.account.0, none, self.cancel_all(origin, &m))
        } else if let Some(m) = Deposit::read(message) {
            (m.account.0, none, self.deposit(origin, &m, message))
        } else if let Some(m) = Withdraw::read(message) {
            (m.account.0, none, self.withdraw(origin, &m, message))
        } else if let Some(m) = message::Transfer::read(message) {
            (m.account.0, none, self.transfer(origin, &m, message))
        } else if let Some(m) = AdjustMargin::read(message) {
            (m.account.0, none, self.adjust_margin(origin, &m, message))
        } else if let Some(m) = SetLeverage::read(message) {
            (m.account.0, none, self.set_leverage(origin, &m))
        } else if let Some(m) = SetPositionLimit::read(message) {
            (m.account.0, none, self.set_position_limit(origin, &m))
        } else if let Some(m) = SetPerpetual::read(message) {
            (0, none, self.set_perpetual(origin, &m))
        } else if let Some(m) = message::Mark::read(message) {
            (0, none, self.mark(origin, &m))
        } else if let Some(m) = message::Funding::read(message) {
            (0, none, self.funding(origin, &m))
        } else if let Some(m) = SettleSymbol::read(message) {
            (0, none, self.settle_symbol(origin, &m))
        } else if let Some(m) = SetAsset::read(message) {
            (0, none, self.set_asset(origin, &m))
        } else if let Some(m) = SetSymbol::read(message) {
            (0, none, self.set_symbol(origin, &m))
        } else if let Some(m) = SetAccount::read(message) {
            (m.account.0, none, self.set_account(origin, &m))
        } else if let Some(m) = SetFees::read(message) {
            (m.account.0, none, self.set_fees(origin, &m))
        } else if let Some(m) = BustTrade::read(message) {
            (0, none, self.bust_trade(origin, &m))
        } else if let Some(m) = SetStatus::read(message) {
            (0, none, self.set_status(origin, &m))
        } else if let Some(m) = SetKey::read(message) {
            (0, none, self.set_key(origin, &m))
        } else {
            (0, none, self.internal(origin, kind, message, expired))
        };
        if let Err(code) = result {
            self.push_rejected(kind, account, client_id, code);
        }
    }

    /// Ringbook's own commands.
    fn internal(&mut self, origin: Origin, kind: u8, message: &[u8], expired: u32) -> Result<(), RejectCode> {
        let Some(command) = MessageType::from_code(kind).filter(|command| command.bytes() == message.len()) else {
            return Err(RejectCode::BadRequest);
        };
        // A CONTINUE carries the origin of the command that it continues.
        if origin.key.0 != 0 && command != MessageType::Continue {
            return Err(RejectCode::UnknownAccount);
        }
        match command {
            MessageType::Genesis => self.push_config(command, 0),
            // Nothing is ever pending here.
            MessageType::Continue => self.push_handled(command, 0, 0, 0),
            MessageType::Tick => self.push_handled(command, 0, expired, 0),
            MessageType::SessionDown => self.session_down(&SessionDown::read(message).expect("length was checked")),
            MessageType::Quarantine => self.quarantine(&Quarantine::read(message).expect("length was checked")),
            _ => return Err(RejectCode::BadRequest),
        }
        Ok(())
    }

    /// 102 by the key (EVENTS, rules for all commands); `account` is none where only the role counts.
    pub(crate) fn authorise(&self, origin: Origin, account: Option<u32>, roles: &[Role]) -> Result<(), RejectCode> {
        if origin.key.0 == 0 {
            return Ok(());
        }
        let key = self.keys.get(&origin.key.0).ok_or(RejectCode::UnknownAccount)?;
        let in_range = account.is_none_or(|account| key.first_account <= account && account <= key.last_account);
        let may = !key.revoked && in_range && roles.contains(&key.role);
        if may { Ok(()) } else { Err(RejectCode::UnknownAccount) }
    }

    /// 102 by the account, for commands about orders: system accounts have none (DOMAIN §3.1).
    pub(crate) fn require_customer(&self, account: AccountId) -> Result<(), RejectCode> {
        let known = !account.is_system() && self.accounts.contains_key(&account.0);
        if known { Ok(()) } else { Err(RejectCode::UnknownAccount) }
    }

    /// 102 for commands about orders: INSURANCE's come from the admin (PERPETUAL "NEW_ORDER").
    pub(crate) fn authorise_orders(
        &self,
        origin: Origin,
        account: AccountId,
        roles: &[Role],
    ) -> Result<(), RejectCode> {
        if account == AccountId::INSURANCE {
            return self.authorise(origin, Some(account.0), &[Role::Admin]);
        }
        self.authorise(origin, Some(account.0), roles)?;
        self.require_customer(account)
    }

    /// A wallet to be changed; made if it is not there.
    pub(crate) fn wallet(&mut self, account: u32, asset: u32) -> &mut Wallet {
        self.wallets.entry((account, asset)).or_default()
    }

    /// What an account has free of an asset.
    pub(crate) fn available(&self, account: u32, asset: u32) -> i128 {
        self.wallets.get(&(account, asset)).map_or(0, |wallet| wallet.available)
    }

    /// Price levels of a symbol: bids and asks, best first, with their shown lots.
    pub fn book(&self, symbol: u32) -> (Levels, Levels) {
        let mut levels = [BTreeMap::new(), BTreeMap::new()];
        for order in self.orders.values().filter(|order| order.symbol == symbol && order.queue.is_some()) {
            *levels[order.side.index()].entry(narrow(order.price)).or_insert(0) += narrow(order.shown);
        }
        let [bids, asks] = levels;
        (bids.into_iter().rev().collect(), asks.into_iter().collect())
    }

    /// The oldest order of the best level of a side (DOMAIN §5.2), by a full scan.
    pub(crate) fn first_in_line(&self, symbol: u32, side: Side) -> Option<&Order> {
        self.line(symbol, side).into_iter().next()
    }

    /// All resting orders of a side in the order in which a taker meets them: price, then queue.
    pub(crate) fn line(&self, symbol: u32, side: Side) -> Vec<&Order> {
        let mut line: Vec<&Order> = self
            .orders
            .values()
            .filter(|order| order.symbol == symbol && order.side == side && order.queue.is_some())
            .collect();
        line.sort_by_key(|order| match side {
            Side::Buy => (-order.price, order.queue),
            Side::Sell => (order.price, order.queue),
        });
        line
    }

    fn push_rejected(&mut self, kind: u8, account: u32, client_id: ClientOrderId, code: RejectCode) {
        let alone = matches!(code, RejectCode::BadRequest | RejectCode::UnknownAccount);
        self.events.push(
            Rejected {
                header: Rejected::header(kind, u8::from(alone), account),
                code: code.code(),
                reserved: [0; 6],
                client_id,
            }
            .into(),
        );
    }

    pub(crate) fn push_config(&mut self, command: MessageType, object: u32) {
        self.events.push(Config { header: Config::header(command as u8, 0, object), reserved: 0 }.into());
    }

    pub(crate) fn push_handled(&mut self, command: MessageType, account: u32, count: u32, argument: u64) {
        let header = Handled::header(command as u8, 0, account);
        self.events.push(Handled { header, count, reserved: 0, argument, reserved2: 0 }.into());
    }

    /// BALANCE of each wallet that differs from its value before the command, ascending by account and asset, spot before
    /// futures; after those of an account POSITION of each position that differs.
    fn push_balances(&mut self, before: &Before) {
        let mut last: BTreeMap<(u32, u32, u32, u8), Event> = BTreeMap::new();
        for (&(account, asset), wallet) in &self.wallets {
            if before.wallets.get(&(account, asset)).copied().unwrap_or_default() != *wallet {
                let event = balance(account, asset, WalletKind::Spot, wallet.available, wallet.held);
                last.insert((account, 0, asset, WalletKind::Spot.code()), event);
            }
        }
        for (&(account, asset), &amount) in &self.futures {
            if before.futures.get(&(account, asset)).copied().unwrap_or_default() != amount {
                let event = balance(account, asset, WalletKind::Futures, amount, 0);
                last.insert((account, 0, asset, WalletKind::Futures.code()), event);
            }
        }
        for (&(account, symbol), position) in &self.positions {
            let was = before.positions.get(&(account, symbol)).copied();
            if was.unwrap_or_else(|| self.default_record(symbol)) != *position {
                let event = Event::from(ringbook_event::Position {
                    header: ringbook_event::Position::header(position.mode.code(), 0, account),
                    symbol: SymbolId(symbol),
                    leverage: u32::try_from(position.leverage).expect("it came as 32 bits"),
                    quantity: Qty(narrow(position.quantity)),
                    cost: Amount(narrow(position.cost)),
                    margin: Amount(narrow(position.margin)),
                });
                last.insert((account, 1, symbol, 0), event);
            }
        }
        self.events.extend(last.into_values());
    }
}

/// Money and positions before a command.
struct Before {
    wallets: BTreeMap<(u32, u32), Wallet>,
    futures: BTreeMap<(u32, u32), i128>,
    positions: BTreeMap<(u32, u32), Position>,
}

fn balance(account: u32, asset: u32, wallet: WalletKind, available: i128, held: i128) -> Event {
    Balance {
        header: Balance::header(wallet.code(), 0, account),
        asset: AssetId(asset),
        reserved: 0,
        available: Amount(narrow(available)),
        held: Amount(narrow(held)),
    }
    .into()
}
