//! What the events of perpetuals told: readers for [`Outcome`], and the [`Futures`] that a desk keeps of wallets and
//! positions.
//!
//! Invariant: after every command of a desk that made a perpetual, ΣQ = 0 and Σ(W + M) − ΣC = net transfers (DOMAIN
//! §6.9), computed from events alone, and BALANCE and POSITION come last, in the order of docs/PERPETUAL.md, Money.

use super::Outcome;
use ringbook_event::{Event, Position};
use ringbook_wire::{FundReason, MarginMode, Wallet};
use std::collections::BTreeMap;

/// LIQUIDATION, for comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Whose bucket.
    pub account: u32,
    /// What backs the position.
    pub mode: MarginMode,
    /// Tier, from 1.
    pub tier: u8,
    /// Lots to be closed.
    pub quantity: i64,
    /// Lots of the position.
    pub position: i64,
    /// Limit of the order; 0 without one.
    pub price: i64,
    /// Bankruptcy price.
    pub bankruptcy: i64,
    /// Mark.
    pub mark: i64,
    /// Equity of the bucket.
    pub equity: i64,
}

/// TAKEOVER, for comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whose position.
    pub account: u32,
    /// What backed it.
    pub mode: MarginMode,
    /// Lots of the position.
    pub quantity: i64,
    /// Bankruptcy price.
    pub price: i64,
    /// What the customer realised.
    pub pnl: i64,
    /// Lots that the fund takes.
    pub fund: i64,
}

pub(super) fn mode(byte: u8) -> MarginMode {
    MarginMode::from_code(byte).expect("a margin mode")
}

impl Outcome {
    /// Names of the events but BALANCE and POSITION, in order.
    pub fn story(&self) -> Vec<&'static str> {
        self.names().into_iter().filter(|&name| name != "Position").collect()
    }

    /// Account, role (1 taker, 2 maker, 3 uncross, 4 settlement), lots and profit of each REALIZED.
    pub fn realized(&self) -> Vec<(u32, u8, i64, i64)> {
        let realized = |event: &Event| match event {
            Event::Realized(e) => Some((e.header.subject, e.header.a, e.quantity.0, e.pnl.0)),
            _ => None,
        };
        self.0.iter().filter_map(realized).collect()
    }

    /// Account, position and payment of each FUNDING.
    pub fn payments(&self) -> Vec<(u32, i64, i64)> {
        let funding = |event: &Event| match event {
            Event::Funding(e) => Some((e.header.subject, e.quantity.0, e.payment.0)),
            _ => None,
        };
        self.0.iter().filter_map(funding).collect()
    }

    /// Every LIQUIDATION.
    pub fn stages(&self) -> Vec<Stage> {
        let stage = |event: &Event| match event {
            Event::Liquidation(e) => Some(Stage {
                account: e.header.subject,
                mode: mode(e.header.a),
                tier: e.header.b,
                quantity: e.quantity.0,
                position: e.position.0,
                price: e.price.0,
                bankruptcy: e.bankruptcy.0,
                mark: e.mark.0,
                equity: e.equity.0,
            }),
            _ => None,
        };
        self.0.iter().filter_map(stage).collect()
    }

    /// Every TAKEOVER.
    pub fn taken(&self) -> Vec<Taken> {
        let taken = |event: &Event| match event {
            Event::Takeover(e) => Some(Taken {
                account: e.header.subject,
                mode: mode(e.header.a),
                quantity: e.quantity.0,
                price: e.price.0,
                pnl: e.pnl.0,
                fund: e.fund.0,
            }),
            _ => None,
        };
        self.0.iter().filter_map(taken).collect()
    }

    /// Account, whose position it was against, lots, price and profit of each ADL.
    pub fn adls(&self) -> Vec<(u32, u32, i64, i64, i64)> {
        let adl = |event: &Event| match event {
            Event::Adl(e) => Some((e.header.subject, e.of.0, e.quantity.0, e.price.0, e.pnl.0)),
            _ => None,
        };
        self.0.iter().filter_map(adl).collect()
    }

    /// Account, reason, amount and lots of each FUND.
    pub fn funds(&self) -> Vec<(u32, FundReason, i64, i64)> {
        let fund = |event: &Event| match event {
            Event::Fund(e) => {
                let reason = FundReason::from_code(e.header.a).expect("a fund reason");
                Some((e.header.subject, reason, e.amount.0, e.quantity.0))
            }
            _ => None,
        };
        self.0.iter().filter_map(fund).collect()
    }

    /// Price and small field of the MARK, if there is one.
    pub fn marked(&self) -> Option<(i64, u8)> {
        let mark = |event: &Event| if let Event::Mark(e) = event { Some((e.price.0, e.header.b)) } else { None };
        self.0.iter().find_map(mark)
    }

    /// Order, reason (1 user, 2 trim), whether it kept its place, `orig`, remaining, cut and hold of each AMENDED.
    pub fn amended(&self) -> Vec<(u64, u8, u8, i64, i64, i64, i64)> {
        let amended = |event: &Event| match event {
            Event::Amended(e) => {
                Some((e.order.0, e.header.a, e.header.b, e.quantity.0, e.remaining.0, e.cut.0, e.hold.0))
            }
            _ => None,
        };
        self.0.iter().filter_map(amended).collect()
    }

    /// Account of each POSITION event with its symbol, in order.
    pub fn positions(&self) -> Vec<(u32, u32)> {
        let position =
            |event: &Event| if let Event::Position(e) = event { Some((e.header.subject, e.symbol.0)) } else { None };
        self.0.iter().filter_map(position).collect()
    }
}

/// What a desk knows of perpetuals, from events alone.
#[derive(Default)]
pub struct Futures {
    /// W by account and asset.
    pub(super) wallets: BTreeMap<(u32, u32), i64>,
    /// Last POSITION by account and perpetual.
    pub(super) positions: BTreeMap<(u32, u32), Position>,
    /// Settlement asset of each perpetual.
    pub(super) quotes: BTreeMap<u32, u32>,
    /// Net transfers into futures wallets.
    moved: BTreeMap<u32, i128>,
}

impl Futures {
    /// Reads the events of a command.
    #[track_caller]
    pub(super) fn read(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Balance(e) if e.header.a == Wallet::Futures.code() => {
                    assert_eq!(e.held.0, 0, "{e:?}");
                    self.wallets.insert((e.header.subject, e.asset.0), e.available.0);
                }
                Event::Position(e) => {
                    self.positions.insert((e.header.subject, e.symbol.0), *e);
                }
                Event::Transfer(e) if e.header.b == 0 && (e.header.a == 3 || e.header.a == 4) => {
                    let sign = if e.header.a == 3 { 1 } else { -1 };
                    *self.moved.entry(e.asset.0).or_default() += i128::from(e.amount.0) * sign;
                }
                _ => {}
            }
        }
        if !self.quotes.is_empty() {
            last_events(events);
            self.identities();
        }
    }

    #[track_caller]
    fn identities(&self) {
        for &asset in self.quotes.values() {
            let wallets = self.wallets.iter().filter(|((_, a), _)| *a == asset).map(|(_, &w)| i128::from(w));
            let settled = self.positions.values().filter(|p| self.quotes.get(&p.symbol.0) == Some(&asset));
            let positions = settled.map(|p| i128::from(p.margin.0) - i128::from(p.cost.0));
            let moved = self.moved.get(&asset).copied().unwrap_or(0);
            assert_eq!(wallets.sum::<i128>() + positions.sum::<i128>(), moved, "Σ(W + M) − ΣC of asset {asset}");
        }
        for &symbol in self.quotes.keys() {
            let lots = self.positions.values().filter(|p| p.symbol.0 == symbol).map(|p| i128::from(p.quantity.0));
            assert_eq!(lots.sum::<i128>(), 0, "ΣQ of perpetual {symbol}");
        }
    }
}

/// BALANCE and POSITION come last: by account; in it balances by asset and wallet, then positions by symbol; each once.
#[track_caller]
fn last_events(events: &[Event]) {
    let key = |event: &Event| match event {
        Event::Balance(e) => Some((e.header.subject, 0, e.asset.0, e.header.a)),
        Event::Position(e) => Some((e.header.subject, 1, e.symbol.0, 0)),
        _ => None,
    };
    let keys: Vec<_> = events.iter().map(key).skip_while(Option::is_none).collect();
    assert!(keys.iter().all(Option::is_some) && keys.is_sorted_by(|a, b| a < b), "{events:#?}");
}
