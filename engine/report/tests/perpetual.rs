//! Reports of random streams with perpetuals: who hears what, that nothing of others shows, and that a client can keep its
//! books by them alone (docs/PROTOCOL.md §9).

mod common;

use common::{Recorded, check_views, record_from, view};
use ringbook_event::{Event, ORIGIN_BYTES, Trade, events};
use ringbook_oracle::Feature;
use ringbook_oracle::generate::Generator;
use ringbook_report::View;
use ringbook_wire::message::{Message, SetPerpetual};
use ringbook_wire::report::{self, ReportType};
use ringbook_wire::{AccountId, ClientOrderId, EndReason, FundReason, OrderId, Qty, Side, Wallet};
use std::collections::{BTreeMap, BTreeSet};

const SEEDS: u64 = 24;
const COMMANDS: usize = 800;

fn frames(seed: u64) -> Vec<Recorded> {
    record_from(Generator::new(seed).with(Feature::Perpetual), COMMANDS)
}

/// The customers that the events name.
fn customers(frames: &[Recorded]) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for frame in frames {
        for event in events(&frame.events) {
            if let Event::Balance(e) = event.unwrap() {
                found.insert(e.header.subject);
            }
        }
    }
    found.retain(|&account| !AccountId(account).is_system());
    found
}

#[test]
fn views_hear_what_is_theirs_in_order() {
    let mut kinds = [0; 256];
    for seed in 0..SEEDS {
        check_views(seed, &frames(seed), &mut kinds);
    }
    let never: Vec<_> = (161..=187).filter(|&kind: &usize| kinds[kind] == 0).collect();
    assert!(never.is_empty(), "reports {never:?} never came");
}

/// A trade as one side may know it: the other side's part is something else.
fn with_another_counterparty(mut e: Trade, view: &View) -> Trade {
    let other = AccountId(view.last_account.0 + 1);
    if !view.holds(e.maker_account) {
        (e.maker_account, e.maker_order, e.maker_fee.0) = (other, OrderId(!e.maker_order.0), !e.maker_fee.0);
        (e.maker_remaining.0, e.maker_filled.0) = (!e.maker_remaining.0, !e.maker_filled.0);
        e.maker_cost.0 = !e.maker_cost.0;
    }
    if !view.holds(e.taker_account) {
        (e.taker_account, e.taker_order, e.taker_fee.0) = (other, OrderId(!e.taker_order.0), !e.taker_fee.0);
        (e.taker_remaining.0, e.taker_filled.0) = (!e.taker_remaining.0, !e.taker_filled.0);
        e.taker_cost.0 = !e.taker_cost.0;
    }
    e
}

/// What of an event is not the business of the view, changed; none where nothing of it is.
fn censored(event: Event, view: &View) -> Option<Event> {
    let subject = u32::from_le_bytes(event.as_bytes()[4..8].try_into().unwrap());
    Some(match event {
        Event::Trade(e) if view.holds(e.taker_account) || view.holds(e.maker_account) => {
            with_another_counterparty(e, view).into()
        }
        Event::Trade(_) => return None,
        // Of these the subject is no account; they, and what two accounts share, stay as they are.
        Event::Prevented(_) | Event::Busted(_) | Event::Status(_) | Event::Config(_) => event,
        Event::Mark(_) | Event::Funded(_) | Event::Settled(_) | Event::Rejected(_) | Event::Handled(_) => event,
        _ if !view.holds(AccountId(subject)) => return None,
        Event::Adl(mut e) => {
            e.of.0 = !e.of.0;
            e.into()
        }
        Event::Takeover(mut e) => {
            e.fund.0 = !e.fund.0;
            e.into()
        }
        Event::Fund(mut e) => {
            e.quantity.0 = !e.quantity.0;
            e.into()
        }
        _ => event,
    })
}

/// With everything of the others changed or left out, a client hears the same bytes.
#[test]
fn nothing_of_others_shows() {
    let mut changed = [0; 256];
    for seed in 0..SEEDS {
        let frames = frames(seed);
        for account in customers(&frames) {
            let view = view(900, account, account);
            for frame in &frames {
                let mut part = Vec::new();
                for event in events(&frame.events) {
                    let event = event.unwrap();
                    let Some(left) = censored(event, &view) else { continue };
                    changed[usize::from(event.as_bytes()[0])] += usize::from(left != event);
                    part.extend_from_slice(left.as_bytes());
                }
                let other = Recorded { command: frame.command.clone(), events: part, ..*frame };
                assert_eq!(frame.reports(&view), other.reports(&view), "seed {seed} sequence {}", frame.sequence);
            }
        }
    }
    for kind in [ReportType::Trade, ReportType::Takeover, ReportType::Adl, ReportType::Fund] {
        assert!(changed[kind as usize - 160] > 10, "{kind:?}");
    }
}

/// Where BALANCE and POSITION stand: by asset, spot before futures, then by symbol. None for what comes before them.
fn place_at_the_end(bytes: &[u8]) -> Option<(u8, u32, u8)> {
    let of_balance = report::Balance::read(bytes).map(|m| (0, m.asset.0, m.wallet));
    of_balance.or_else(|| report::Position::read(bytes).map(|m| (1, m.symbol.0, 0)))
}

/// An account's wallets and positions are told at the end of a sequence, each once.
#[test]
fn balances_and_positions_come_last_and_in_order() {
    let mut longest = 0;
    for seed in 0..SEEDS {
        let frames = frames(seed);
        for account in customers(&frames) {
            for frame in &frames {
                let heard = frame.reports(&view(900, account, account));
                let places: Vec<_> = heard.iter().map(|bytes| place_at_the_end(bytes)).collect();
                let first = places.iter().position(Option::is_some).unwrap_or(places.len());
                let place = format!("seed {seed} account {account} sequence {}", frame.sequence);
                assert!(places[first..].iter().all(Option::is_some), "{place}");
                assert!(places[first..].is_sorted_by(|a, b| a < b), "{place}: {places:?}");
                longest = longest.max(places.len() - first);
            }
        }
    }
    assert!(longest >= 2, "{longest}");
}

/// What a client knows of an account by its reports.
#[derive(Default)]
struct Books {
    /// Settlement asset of each perpetual.
    assets: BTreeMap<u32, u32>,
    /// As the latest BALANCE tells, by asset.
    wallets: BTreeMap<u32, i64>,
    /// Lots and margin as the latest POSITION tells, by symbol.
    positions: BTreeMap<u32, (i64, i64)>,
    /// Futures wallet and margins as they must be, by asset.
    money: BTreeMap<u32, i64>,
    /// Lots as they must be, by symbol.
    lots: BTreeMap<u32, i64>,
    /// Orders that were announced: by ACCEPTED (false) or by LIQUIDATION (true).
    orders: BTreeMap<u64, bool>,
    /// Reports by type.
    kinds: BTreeMap<u8, usize>,
}

impl Books {
    fn earn(&mut self, symbol: u32, amount: i64) {
        *self.money.entry(self.assets[&symbol]).or_default() += amount;
    }

    fn follow(&mut self, bytes: &[u8]) {
        *self.kinds.entry(bytes[2]).or_default() += 1;
        if let Some(m) = report::Accepted::read(bytes) {
            self.orders.insert(m.order.0, false);
        } else if let Some(m) = report::Trade::read(bytes) {
            if self.assets.contains_key(&m.symbol.0) {
                self.earn(m.symbol.0, -m.fee.0);
                let sign = if m.side == Side::Buy.code() { 1 } else { -1 };
                *self.lots.entry(m.symbol.0).or_default() += sign * m.quantity.0;
                let of_liquidation = self.orders[&m.order.0];
                assert!(!of_liquidation || m.fee.0 == 0, "a liquidation pays no fee");
            }
        } else if let Some(m) = report::Done::read(bytes) {
            let of_liquidation = self.orders.remove(&m.order.0).expect("announced");
            assert_eq!(
                of_liquidation,
                m.client_id == ClientOrderId::NONE,
                "only the exchange's order has no client id"
            );
            assert!(!self.assets.contains_key(&m.symbol.0) || m.returned.0 == 0);
            let end = [0, EndReason::Liquidation.code(), EndReason::Fault.code()];
            assert!(!of_liquidation || end.contains(&m.reason));
        } else if let Some(m) = report::Amended::read(bytes) {
            let by_trim = m.reason == 2;
            assert!(!by_trim || m.kept_priority == 1);
        } else if let Some(m) = report::Liquidation::read(bytes) {
            assert_eq!(m.position, Qty(*self.lots.get(&m.symbol.0).unwrap_or(&0)));
            assert!(m.quantity.0 > 0 && m.tier >= 1 && (m.order.0 == 0) == (m.price.0 == 0));
            if m.order.0 != 0 {
                self.orders.insert(m.order.0, true);
            }
        } else if let Some(m) = report::Realized::read(bytes) {
            self.earn(m.symbol.0, m.pnl.0);
            if m.role == 4 {
                let lots = self.lots.get_mut(&m.symbol.0).expect("it had a position");
                *lots -= lots.signum() * m.quantity.0;
            }
        } else if let Some(m) = report::Takeover::read(bytes) {
            self.earn(m.symbol.0, m.pnl.0);
            assert_eq!(self.lots.insert(m.symbol.0, 0), Some(m.quantity.0), "all lots");
        } else if let Some(m) = report::Adl::read(bytes) {
            self.earn(m.symbol.0, m.pnl.0);
            let lots = self.lots.get_mut(&m.symbol.0).expect("it had a position");
            *lots -= lots.signum() * m.quantity.0;
        } else if let Some(m) = report::Funding::read(bytes) {
            self.earn(m.symbol.0, -m.payment.0);
            assert_eq!(m.quantity.0, self.lots[&m.symbol.0]);
        } else if let Some(m) = report::Fund::read(bytes) {
            self.earn(m.symbol.0, -m.amount.0);
            assert_eq!(m.asset.0, self.assets[&m.symbol.0]);
            assert!(m.reason != FundReason::Uncovered.code() || m.amount.0 == 0);
        } else if let Some(m) = report::Transfer::read(bytes) {
            let into = match (m.replayed, m.kind) {
                (0, 3) => m.amount.0,
                (0, 4) => -m.amount.0,
                _ => 0,
            };
            *self.money.entry(m.asset.0).or_default() += into;
        } else if let Some(m) = report::Balance::read(bytes) {
            if m.wallet == Wallet::Futures.code() {
                assert_eq!(m.held.0, 0);
                self.wallets.insert(m.asset.0, m.available.0);
            }
        } else if let Some(m) = report::Position::read(bytes) {
            self.positions.insert(m.symbol.0, (m.quantity.0, m.margin.0));
        }
    }

    /// After a sequence: what BALANCE and POSITION tell is what the reports before them explain.
    fn check(&self, place: &str) {
        let mut told = self.wallets.clone();
        for (symbol, &(lots, margin)) in &self.positions {
            *told.entry(self.assets[symbol]).or_default() += margin;
            assert_eq!(lots, *self.lots.get(symbol).unwrap_or(&0), "{place}: lots in {symbol}");
        }
        let explained = |&(_, &amount): &(&u32, &i64)| amount != 0;
        let (told, must): (Vec<_>, Vec<_>) =
            (told.iter().filter(explained).collect(), self.money.iter().filter(explained).collect());
        assert_eq!(told, must, "{place}");
    }
}

/// Δ(W + ΣM) = Σ pnl − Σ fee − Σ payment − Σ into the fund + transfers, and lots likewise, after every sequence.
#[test]
fn a_client_can_keep_its_books_by_its_reports() {
    let mut kinds: BTreeMap<u8, usize> = BTreeMap::new();
    for seed in 0..SEEDS {
        let frames = frames(seed);
        for account in customers(&frames) {
            let (view, mut books) = (view(900, account, account), Books::default());
            for frame in &frames {
                let accepted = events(&frame.events).any(|event| matches!(event, Ok(Event::Config(_))));
                if accepted && let Some(m) = SetPerpetual::read(&frame.command[ORIGIN_BYTES..]) {
                    books.assets.entry(m.symbol.0).or_insert(m.quote.0);
                }
                let heard = frame.reports(&view);
                heard.iter().for_each(|bytes| books.follow(bytes));
                books.check(&format!("seed {seed} account {account} sequence {}", frame.sequence));
            }
            for (kind, count) in books.kinds {
                *kinds.entry(kind).or_default() += count;
            }
        }
    }
    for kind in [173, 178, 181, 182, 183, 184, 185, 186] {
        assert!(kinds.get(&kind).is_some_and(|&count| count > 10), "report {kind}: {kinds:?}");
    }
}
