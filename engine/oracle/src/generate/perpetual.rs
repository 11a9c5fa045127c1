//! What the generator makes of perpetuals: its memory of them, and which command comes next.
//!
//! Marks jump, also through the bankruptcy of those who trade at high leverage; the fund is poor; so that liquidations
//! of every kind come often.
//!
//! Invariant: nothing here draws from the stream's numbers where [`super::Feature::Perpetual`] is off.

mod configure;
mod crisis;
mod marks;
mod money;
mod orders;
mod world;

use super::{Generator, Random};
use ringbook_event::{Event, Origin};
use ringbook_wire::message::SetPerpetual;
use ringbook_wire::{KeyId, SymbolStatus, Wallet};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A position as POSITION last told.
#[derive(Clone, Copy, Debug)]
struct Held {
    quantity: i64,
    margin: i64,
    isolated: bool,
    leverage: u32,
}

/// What the generator knows of perpetuals.
#[derive(Clone, Debug)]
pub(super) struct Perpetuals {
    /// As they were last set.
    symbols: Vec<SetPerpetual>,
    /// The one that may be settled; its successors have the numbers after it.
    spare: u32,
    /// Accepted mark by symbol.
    marks: BTreeMap<u32, i64>,
    /// Newest feed time that was offered.
    feed_times: BTreeMap<u32, u64>,
    /// Where the mark of a symbol is on its way to.
    targets: BTreeMap<u32, i64>,
    /// Index of the last funding.
    funded: BTreeMap<u32, u64>,
    held: BTreeMap<(u32, u32), Held>,
    /// Futures wallets.
    wallets: BTreeMap<(u32, u32), i64>,
    /// Symbols that the engine put into reduce-only mode.
    stuck: BTreeSet<u32>,
    closed: BTreeSet<u32>,
    /// Latest TRANSFERs and ADJUST_MARGINs, latest last.
    sent: VecDeque<Vec<u8>>,
    crisis: Option<crisis::Crisis>,
    /// How often marks go far, of 100.
    wildness: u64,
    /// What the fund begins with.
    fund: i64,
    /// What customers begin with, in lots.
    wealth: i64,
}

impl Perpetuals {
    /// Nothing is known yet; the temper is drawn from numbers of its own.
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x7065_7270);
        Self {
            symbols: Vec::new(),
            spare: world::FIRST_SPARE,
            marks: BTreeMap::new(),
            feed_times: BTreeMap::new(),
            targets: BTreeMap::new(),
            funded: BTreeMap::new(),
            held: BTreeMap::new(),
            wallets: BTreeMap::new(),
            stuck: BTreeSet::new(),
            closed: BTreeSet::new(),
            sent: VecDeque::new(),
            crisis: None,
            wildness: random.pick(&[5, 15, 30]),
            fund: random.pick(&[0, 0, 300, 3_000, 30_000]),
            wealth: random.pick(&[1, 2, 5, 20]),
        }
    }

    /// Learns from an event.
    pub(super) fn observe(&mut self, event: &Event) {
        match event {
            Event::Mark(e) => {
                self.marks.insert(e.header.subject, e.price.0);
            }
            Event::Funded(e) => {
                self.funded.insert(e.header.subject, e.index);
            }
            Event::Position(e) => {
                let isolated = e.header.a == 2;
                let (quantity, margin, leverage) = (e.quantity.0, e.margin.0, e.leverage);
                self.held.insert((e.header.subject, e.symbol.0), Held { quantity, margin, isolated, leverage });
            }
            Event::Balance(e) if e.header.a == Wallet::Futures.code() => {
                self.wallets.insert((e.header.subject, e.asset.0), e.available.0);
            }
            Event::Config(e) if e.header.b == 1 => {
                self.stuck.insert(e.header.subject);
            }
            Event::Settled(e) => {
                self.closed.insert(e.header.subject);
            }
            _ => {}
        }
    }

    /// The accepted mark, or where the first one will be.
    fn mark(&self, symbol: u32) -> i64 {
        self.marks.get(&symbol).copied().unwrap_or(super::world::MIDDLE)
    }

    fn terms(&self, symbol: u32) -> SetPerpetual {
        *self.symbols.iter().find(|terms| terms.symbol.0 == symbol).unwrap_or(&self.symbols[0])
    }

    /// Positions that are not flat.
    fn open(&self) -> Vec<((u32, u32), Held)> {
        self.held.iter().filter(|(_, held)| held.quantity != 0).map(|(&key, &held)| (key, held)).collect()
    }
}

impl Generator {
    /// A perpetual; now and then a spot symbol or none.
    fn perpetual(&mut self) -> u32 {
        if self.random.chance(1, 250) {
            return self.random.pick(&[0, 1, 77, u32::MAX]);
        }
        let [first, second, third] = world::IDS;
        self.random.pick(&[first, first, second, second, third, self.perpetuals.spare])
    }

    /// A command about perpetuals.
    pub(super) fn any_of_perpetuals(&mut self) -> (Origin, Vec<u8>) {
        if let Some(command) = self.crisis_command() {
            return command;
        }
        if !self.perpetuals.stuck.is_empty() && self.random.chance(1, 25) {
            return self.lift_reduce_only();
        }
        if let Some(symbol) = self.stopped_perpetual()
            && self.random.chance(1, 12)
        {
            return self.perpetual_status(symbol);
        }
        if self.random.chance(1, 25) && self.suspended.values().any(|&suspended| suspended) {
            return self.set_account();
        }
        if self.random.chance(1, 25) && self.keys.iter().any(|key| key.revoked == 1 && key.key != KeyId(6)) {
            return self.set_key();
        }
        if self.perpetuals.closed.contains(&self.perpetuals.spare) && self.random.chance(1, 12) {
            return self.settle_command();
        }
        match self.random.below(1_000) {
            0..470 => self.perpetual_order(),
            470..520 => self.amend_perpetual(),
            520..555 => self.cancel(),
            555..560 => self.cancel_all(),
            560..740 => self.mark_command(),
            740..775 => self.funding_command(),
            775..820 => self.leverage_command(),
            820..880 => self.transfer_command(),
            880..925 => self.margin_command(),
            925..935 => self.limit_command(),
            935..955 => self.change_perpetual(),
            955..960 => {
                let symbol = self.perpetual();
                self.perpetual_status(symbol)
            }
            960..974 => self.settle_command(),
            974..992 => self.fund_order(),
            992..994 => self.quarantine_money(),
            _ => self.fund_money(),
        }
    }

    /// A perpetual in PRE_OPEN.
    fn collecting_perpetual(&self) -> Option<u32> {
        let collects = |symbol: &u32| self.status.get(symbol) == Some(&SymbolStatus::PreOpen);
        self.perpetuals.symbols.iter().map(|terms| terms.symbol.0).find(collects)
    }

    /// A perpetual that neither trades nor is closed.
    fn stopped_perpetual(&self) -> Option<u32> {
        let stopped = |symbol: &u32| {
            let status = self.status.get(symbol);
            matches!(status, Some(SymbolStatus::PreOpen | SymbolStatus::Halted | SymbolStatus::CancelOnly))
        };
        self.perpetuals.symbols.iter().map(|terms| terms.symbol.0).find(stopped)
    }
}
