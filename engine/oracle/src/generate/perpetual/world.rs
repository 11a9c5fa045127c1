//! Perpetuals with small numbers, money in futures wallets, leverages, first marks.

use super::super::world::{CUSTOMERS, FIRST, MIDDLE};
use super::Generator;
use ringbook_wire::message::{Deposit, Mark, Message, SetKey, SetLeverage, SetPerpetual, Transfer, name_field};
use ringbook_wire::{
    AccountId, Amount, AssetId, FeeModel, KeyId, MarginMode, Price, Qty, Rate, Role, StpMode, SymbolId, SymbolKind,
    SymbolStatus, TimestampNs,
};

/// The perpetuals that stay.
pub(super) const IDS: [u32; 3] = [1_001, 1_002, 1_003];
/// The first perpetual that may be settled.
pub(super) const FIRST_SPARE: u32 = 1_010;
/// The key of marks and funding.
pub(super) const FEED: u32 = 8;

const SECOND: u64 = 1_000_000_000;
/// 1 %.
pub(super) const PERCENT: i64 = 1_000_000;

impl Generator {
    /// Plans perpetuals, the feed's key, money, leverages and first marks.
    pub(in crate::generate) fn plan_perpetuals(&mut self) {
        self.perpetuals.symbols = perpetuals();
        for terms in self.perpetuals.symbols.clone() {
            let status = SymbolStatus::from_code(terms.status).expect("a good status");
            self.status.insert(terms.symbol.0, status);
            self.plan(&terms);
        }
        let key = SetKey {
            key: KeyId(FEED),
            role: Role::Feed.code(),
            last_account: AccountId(u32::MAX),
            public_key: [FEED as u8; 32],
            ..SetKey::new(0)
        };
        self.plan(&key);
        for account in FIRST..FIRST + CUSTOMERS {
            for asset in [2, 1] {
                if self.random.chance(9, 10) {
                    let most = self.temper.lots * self.perpetuals.wealth * 60;
                    let amount = self.random.between(100, most);
                    self.plan_futures(account, asset, amount);
                }
            }
            for symbol in IDS.into_iter().chain([FIRST_SPARE]) {
                self.plan_leverage(account, symbol);
            }
        }
        if self.perpetuals.fund > 0 {
            for asset in [1, 2] {
                self.plan_futures(AccountId::INSURANCE.0, asset, self.perpetuals.fund);
            }
        }
        // The third has no mark for a while.
        for symbol in [IDS[0], IDS[1], FIRST_SPARE] {
            let feed_time = self.now;
            self.perpetuals.feed_times.insert(symbol, feed_time);
            self.perpetuals.marks.insert(symbol, MIDDLE);
            self.plan(&Mark {
                symbol: SymbolId(symbol),
                price: Price(MIDDLE),
                feed_time: TimestampNs(feed_time),
                ..Mark::new(0)
            });
        }
    }

    fn plan_futures(&mut self, account: u32, asset: u32, amount: i64) {
        let (id, asset, amount) = (AccountId(account), AssetId(asset), Amount(amount));
        let adjustment = self.next_adjustment(account);
        self.plan(&Deposit { account: id, asset, adjustment, amount, ..Deposit::new(0) });
        let adjustment = self.next_adjustment(account);
        self.plan(&Transfer { account: id, asset, adjustment, amount, direction: 1, ..Transfer::new(0) });
    }

    fn plan_leverage(&mut self, account: u32, symbol: u32) {
        let terms = self.perpetuals.terms(symbol);
        let tier = self.random.below(u64::from(terms.tiers)) as usize;
        let leverage = terms.tier_leverage[tier].min(terms.max_leverage);
        let mode = match self.random.below(5) {
            0 | 1 => MarginMode::Isolated,
            2 | 3 => MarginMode::Cross,
            _ => return,
        };
        self.plan(&SetLeverage {
            account: AccountId(account),
            symbol: SymbolId(symbol),
            leverage,
            mode: mode.code(),
            ..SetLeverage::new(0)
        });
    }
}

/// Tiers from (cap, rate in percent, leverage); the amounts follow. `cap · step` must be whole percents.
pub(super) fn set_tiers(terms: &mut SetPerpetual, tiers: &[(i64, i64, u32)]) {
    terms.tiers = tiers.len() as u8;
    (terms.tier_cap, terms.tier_rate) = ([Amount(0); 8], [Rate(0); 8]);
    (terms.tier_amount, terms.tier_leverage) = ([Amount(0); 8], [0; 8]);
    let mut amount = 0;
    for (place, &(cap, percent, leverage)) in tiers.iter().enumerate() {
        if place > 0 {
            let (cap_before, percent_before, _) = tiers[place - 1];
            amount += cap_before * (percent - percent_before) / 100;
        }
        terms.tier_cap[place] = Amount(cap);
        terms.tier_rate[place] = Rate(percent * PERCENT);
        terms.tier_amount[place] = Amount(amount);
        terms.tier_leverage[place] = leverage;
    }
}

fn plain() -> SetPerpetual {
    let mut terms = SetPerpetual {
        base: AssetId(3),
        quote: AssetId(2),
        fee_group: 1,
        kind: SymbolKind::Perpetual.code(),
        fee_model: FeeModel::Rate.code(),
        base_lot: Amount(1_000),
        quote_per_tick_lot: Amount(5),
        min_price: Price(1),
        max_price: Price(1_000),
        min_quantity: Qty(1),
        max_quantity: Qty(1_000),
        max_market_quantity: Qty(500),
        band: Rate(20 * PERCENT),
        slip: Rate(5 * PERCENT),
        taker: Rate(100_000),
        maker: Rate(-30_000),
        max_open_orders: 20,
        max_trigger_orders: 5,
        stp: StpMode::CancelTaker.code(),
        status: SymbolStatus::Trading.code(),
        max_position: Qty(400),
        mark_max_age: 120 * SECOND,
        mark_jump: Rate(10 * PERCENT),
        funding_interval: 20 * SECOND,
        funding_cap: Rate(2 * PERCENT),
        liquidation_fee: Rate(PERCENT),
        fund_multiple: Rate(1_000 * PERCENT),
        max_leverage: 20,
        mark_confirmations: 2,
        ..SetPerpetual::new(0)
    };
    set_tiers(&mut terms, &[(2_000, 2, 20), (6_000, 4, 15), (20_000, 10, 8)]);
    terms
}

/// The perpetual that may be settled, or one of its successors.
pub(super) fn spare(number: u32) -> SetPerpetual {
    SetPerpetual {
        symbol: SymbolId(number),
        name: name_field(&format!("PERP-{number}")).expect("short"),
        mark_jump: Rate(0),
        funding_interval: 5 * SECOND,
        ..plain()
    }
}

/// Three perpetuals: plain; no band, high leverage and fees, a fund of one times its cash, rebates above the taker's
/// rate of accounts with own fees; another asset, uneven K, a tight limit of jumps, short ages, PRE_OPEN at first.
fn perpetuals() -> Vec<SetPerpetual> {
    let mut second = SetPerpetual {
        quote_per_tick_lot: Amount(10),
        band: Rate(0),
        taker: Rate(PERCENT),
        maker: Rate(-PERCENT / 2),
        mark_jump: Rate(0),
        mark_max_age: 40 * SECOND,
        funding_cap: Rate(30 * PERCENT),
        liquidation_fee: Rate(PERCENT / 3),
        fund_multiple: Rate(100 * PERCENT),
        max_leverage: 50,
        max_position: Qty(100),
        stp: StpMode::None.code(),
        ..plain()
    };
    set_tiers(&mut second, &[(5_000, 1, 50), (20_000, 3, 20)]);
    let mut third = SetPerpetual {
        quote: AssetId(1),
        quote_per_tick_lot: Amount(7),
        min_price: Price(3),
        max_price: Price(300),
        mark_jump: Rate(3 * PERCENT),
        mark_max_age: 15 * SECOND,
        mark_confirmations: 1,
        funding_interval: 3 * SECOND,
        liquidation_fee: Rate(0),
        max_leverage: 90,
        min_notional: Amount(500),
        max_notional: Amount(200_000),
        max_open_orders: 4,
        status: SymbolStatus::PreOpen.code(),
        stp: StpMode::CancelMaker.code(),
        ..plain()
    };
    set_tiers(&mut third, &[(3_500, 1, 90), (7_000, 1, 60), (14_000, 5, 19), (30_000, 20, 4)]);
    let mut all = vec![plain(), second, third];
    for (terms, id) in all.iter_mut().zip(IDS) {
        terms.symbol = SymbolId(id);
        terms.name = name_field(&format!("PERP-{id}")).expect("short");
    }
    all.push(spare(FIRST_SPARE));
    all
}
