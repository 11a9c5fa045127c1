//! Perpetuals for the [`Desk`]: builders with the numbers of DOMAIN §7, commands, and probes of what an account may do.
//! Amounts and prices are written as people write them (`usdt("190.7632")`, `at("47690.7")`).

use super::futures::mode;
pub use super::futures::{Stage, Taken};
use super::{BTC, Desk, Outcome, USDT, ioc, limit, market, stop};
use ringbook_wire::message::{
    AdjustMargin, Funding, Mark, Message, NewOrder, SetLeverage, SetPerpetual, SetPositionLimit, SettleSymbol,
    Transfer, name_field,
};
use ringbook_wire::{
    AccountId, Amount, AssetId, FeeModel, MarginMode, Price, Qty, Rate, RejectCode, Side, StpMode, SymbolId,
    SymbolKind, SymbolStatus, TimestampNs, TriggerDirection, TriggerSource, order_flags,
};

/// The base asset of [`ether`], scale 8; [`Desk::ether`] makes it.
pub const ETH: u32 = 3;
/// The account that gets trading fees.
pub const FEES: u32 = AccountId::FEES.0;
/// The account of the insurance fund.
pub const INSURANCE: u32 = AccountId::INSURANCE.0;
/// The account that keeps the dust of funding.
pub const ROUNDING: u32 = AccountId::ROUNDING.0;
/// A second of engine time.
pub const SECOND: u64 = 1_000_000_000;
/// An hour of engine time.
pub const HOUR: u64 = 3_600 * SECOND;
/// 100 % as a rate.
pub const R: i64 = 100_000_000;

/// A decimal number with at most `places` places, in units of the last place.
#[track_caller]
pub fn decimal(text: &str, places: u32) -> i64 {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let missing = places.checked_sub(part.len() as u32).expect("too many places");
    let number: i64 = format!("{whole}{part}").parse().expect("a decimal number");
    sign * number * 10_i64.pow(missing)
}

/// An amount of USDT.
#[track_caller]
pub fn usdt(text: &str) -> i64 {
    decimal(text, 8)
}

/// A price of [`perpetual`], whose tick is 0.1.
#[track_caller]
pub fn at(text: &str) -> i64 {
    decimal(text, 1)
}

/// A price of [`ether`], whose tick is 0.01.
#[track_caller]
pub fn cents(text: &str) -> i64 {
    decimal(text, 2)
}

/// The BTC perpetual of DOMAIN §7: tick 0.1, lot 0.001 BTC, taker 0.05 %, maker 0, liquidation fee 0.10 %, the tiers of
/// §2, leverage to 125. No band and no limit of jumps; marks live for 5 s; funding every 8 h, at most 0.75 %; slip 1 %.
pub fn perpetual(symbol: u32) -> SetPerpetual {
    let mut message = SetPerpetual {
        symbol: SymbolId(symbol),
        base: AssetId(BTC),
        quote: AssetId(USDT),
        kind: SymbolKind::Perpetual.code(),
        fee_model: FeeModel::Rate.code(),
        name: name_field(&format!("PERP-{symbol}")).expect("short"),
        base_lot: Amount(100_000),
        quote_per_tick_lot: Amount(10_000),
        min_price: Price(1),
        max_price: Price(10_000_000),
        min_quantity: Qty(1),
        max_quantity: Qty(10_000_000),
        max_market_quantity: Qty(10_000_000),
        slip: Rate(1_000_000),
        taker: Rate(50_000),
        max_open_orders: 200,
        max_trigger_orders: 10,
        stp: StpMode::CancelTaker.code(),
        status: SymbolStatus::Trading.code(),
        max_position: Qty(20_000_000),
        mark_max_age: 5 * SECOND,
        funding_interval: 8 * HOUR,
        funding_cap: Rate(750_000),
        liquidation_fee: Rate(100_000),
        fund_multiple: Rate(10 * R),
        max_leverage: 125,
        mark_confirmations: 3,
        ..SetPerpetual::new(0)
    };
    set_tiers(
        &mut message,
        &[
            ("50000", 400_000, "0", 125),
            ("250000", 500_000, "50", 100),
            ("1000000", 1_000_000, "1300", 50),
            ("10000000", 2_500_000, "16300", 20),
            ("20000000", 5_000_000, "266300", 10),
        ],
    );
    message
}

/// The ETH perpetual of DOMAIN §7: tick 0.01, lot 0.001 ETH, the tiers of E23.
pub fn ether(symbol: u32) -> SetPerpetual {
    let mut message = SetPerpetual { base: AssetId(ETH), quote_per_tick_lot: Amount(1_000), ..perpetual(symbol) };
    set_tiers(
        &mut message,
        &[
            ("10000", 500_000, "0", 125),
            ("100000", 650_000, "15", 100),
            ("500000", 1_000_000, "365", 50),
            ("1000000", 2_000_000, "5365", 25),
        ],
    );
    message
}

/// A perpetual whose values are easy to follow: one tick × one lot is 1 USDT (K = 10^8), no fees at all, one tier of 1
/// % to 10,000,000 USDT, leverage to 50.
pub fn plain(symbol: u32) -> SetPerpetual {
    let mut message = SetPerpetual {
        quote_per_tick_lot: Amount(R),
        max_price: Price(100_000),
        max_quantity: Qty(100_000),
        max_market_quantity: Qty(100_000),
        max_position: Qty(200_000),
        taker: Rate(0),
        liquidation_fee: Rate(0),
        max_leverage: 50,
        ..perpetual(symbol)
    };
    set_tiers(&mut message, &[("10000000", 1_000_000, "0", 50)]);
    message
}

/// Replaces the tiers: cap, maintenance rate, maintenance amount, highest leverage.
pub fn set_tiers(message: &mut SetPerpetual, table: &[(&str, i64, &str, u32)]) {
    message.tiers = table.len() as u8;
    (message.tier_cap, message.tier_rate) = ([Amount(0); 8], [Rate(0); 8]);
    (message.tier_amount, message.tier_leverage) = ([Amount(0); 8], [0; 8]);
    for (index, &(cap, rate, amount, leverage)) in table.iter().enumerate() {
        message.tier_cap[index] = Amount(usdt(cap));
        message.tier_rate[index] = Rate(rate);
        message.tier_amount[index] = Amount(usdt(amount));
        message.tier_leverage[index] = leverage;
    }
}

/// The order as a reduce-only one.
pub fn reduce_only(order: NewOrder) -> NewOrder {
    NewOrder { flags: order.flags | order_flags::REDUCE_ONLY, ..order }
}

/// The order as a post-only one.
pub fn post_only(order: NewOrder) -> NewOrder {
    NewOrder { flags: order.flags | order_flags::POST_ONLY, ..order }
}

/// The stop order with the mark as its source.
pub fn on_mark(order: NewOrder) -> NewOrder {
    NewOrder { trigger_source: TriggerSource::Mark.code(), ..order }
}

/// A close-position order, with the mark as its source.
pub fn close_position(account: u32, symbol: u32, side: Side, direction: TriggerDirection, trigger: i64) -> NewOrder {
    let order = on_mark(stop(market(account, symbol, side, 0), direction, trigger));
    NewOrder { flags: order_flags::CLOSE_POSITION, ..order }
}

impl Desk<'_> {
    /// Makes a perpetual like [`perpetual`], changed as told, and returns its id.
    #[track_caller]
    pub fn perpetual(&mut self, change: impl FnOnce(&mut SetPerpetual)) -> u32 {
        self.symbols += 1;
        let mut message = perpetual(self.symbols);
        change(&mut message);
        assert_eq!(self.send(&message).names(), ["Config"]);
        self.futures.quotes.insert(self.symbols, message.quote.0);
        self.symbols
    }

    /// Makes a perpetual like [`ether`], and its base asset.
    #[track_caller]
    pub fn ether(&mut self) -> u32 {
        self.asset(ETH, "ETH", 8);
        self.perpetual(|p| *p = ether(p.symbol.0))
    }

    /// Makes a perpetual like [`plain`], changed as told.
    #[track_caller]
    pub fn plain(&mut self, change: impl FnOnce(&mut SetPerpetual)) -> u32 {
        self.perpetual(|p| {
            *p = plain(p.symbol.0);
            change(p);
        })
    }

    /// Makes a perpetual in which a buy of q lots at 1 needs a margin of exactly q units, for [`Desk::available`]: one
    /// price, leverage 1, no fees, a mark that does not grow old.
    #[track_caller]
    pub fn probe(&mut self) -> u32 {
        let bound = 1_i64 << 62;
        let symbol = self.perpetual(|p| {
            (p.base_lot, p.quote_per_tick_lot) = (Amount(1), Amount(1));
            (p.min_price, p.max_price) = (Price(1), Price(1));
            (p.max_quantity, p.max_position) = (Qty(bound), Qty(bound));
            (p.taker, p.max_leverage, p.mark_max_age) = (Rate(0), 1, 1 << 62);
        });
        self.mark(symbol, 1);
        symbol
    }

    /// Asserts `max(0, E − U)` (DOMAIN §6.2) of an account: a buy in the [`Desk::probe`] may need so much and no unit
    /// more.
    #[track_caller]
    pub fn available(&mut self, account: u32, probe: u32, amount: i64) {
        self.place(limit(account, probe, Side::Buy, 1, amount + 1)).refused(RejectCode::InsufficientMargin);
        if amount > 0 {
            let (order, _) = self.place(limit(account, probe, Side::Buy, 1, amount)).accepted();
            assert_eq!(self.cancel(account, order).story(), ["Canceled", "Done"]);
        }
    }

    /// Asserts `transferable` (DOMAIN §6.2) of an account: so much leaves the futures wallet, no unit more, and comes
    /// back.
    #[track_caller]
    pub fn transferable(&mut self, account: u32, amount: i64) {
        self.to_spot(account, amount + 1).refused(RejectCode::InsufficientMargin);
        if amount > 0 {
            assert_eq!(self.to_spot(account, amount).story(), ["Transfer"]);
            assert_eq!(self.to_futures(account, amount).story(), ["Transfer"]);
        }
    }

    /// Makes accounts with an amount of USDT in their futures wallets.
    #[track_caller]
    pub fn traders(&mut self, accounts: &[u32], amount: &str) {
        for &account in accounts {
            self.account(account, 0);
            self.fund(account, usdt(amount));
        }
    }

    /// Deposits USDT and moves it into the futures wallet.
    #[track_caller]
    pub fn fund(&mut self, account: u32, amount: i64) {
        assert_eq!(self.deposit(account, USDT, amount).story(), ["Transfer"]);
        assert_eq!(self.to_futures(account, amount).story(), ["Transfer"]);
    }

    /// Moves USDT into the futures wallet.
    pub fn to_futures(&mut self, account: u32, amount: i64) -> Outcome {
        self.transfer(account, USDT, 1, amount)
    }

    /// Moves USDT out of the futures wallet.
    pub fn to_spot(&mut self, account: u32, amount: i64) -> Outcome {
        self.transfer(account, USDT, 2, amount)
    }

    /// TRANSFER with the account's next adjustment number.
    pub fn transfer(&mut self, account: u32, asset: u32, direction: u8, amount: i64) -> Outcome {
        let adjustment = self.next_adjustment(account);
        let (account, asset) = (AccountId(account), AssetId(asset));
        self.send(&Transfer { account, asset, adjustment, amount: Amount(amount), direction, ..Transfer::new(0) })
    }

    /// ADJUST_MARGIN towards the position, with the account's next adjustment number.
    pub fn add_margin(&mut self, account: u32, symbol: u32, amount: i64) -> Outcome {
        self.adjust_margin(account, symbol, 1, amount)
    }

    /// ADJUST_MARGIN towards the futures wallet, with the account's next adjustment number.
    pub fn remove_margin(&mut self, account: u32, symbol: u32, amount: i64) -> Outcome {
        self.adjust_margin(account, symbol, 2, amount)
    }

    fn adjust_margin(&mut self, account: u32, symbol: u32, direction: u8, amount: i64) -> Outcome {
        let adjustment = self.next_adjustment(account);
        let (account, symbol) = (AccountId(account), SymbolId(symbol));
        let amount = Amount(amount);
        self.send(&AdjustMargin { account, symbol, adjustment, amount, direction, ..AdjustMargin::new(0) })
    }

    /// SET_LEVERAGE.
    pub fn leverage(&mut self, account: u32, symbol: u32, mode: MarginMode, leverage: u32) -> Outcome {
        let (account, symbol, mode) = (AccountId(account), SymbolId(symbol), mode.code());
        self.send(&SetLeverage { account, symbol, mode, leverage, ..SetLeverage::new(0) })
    }

    /// SET_LEVERAGE to ISOLATED, which must be accepted.
    #[track_caller]
    pub fn isolate(&mut self, account: u32, symbol: u32, leverage: u32) {
        assert_eq!(self.leverage(account, symbol, MarginMode::Isolated, leverage).story(), ["Config"]);
    }

    /// SET_LEVERAGE to CROSS, which must be accepted.
    #[track_caller]
    pub fn cross(&mut self, account: u32, symbol: u32, leverage: u32) {
        assert_eq!(self.leverage(account, symbol, MarginMode::Cross, leverage).story(), ["Config"]);
    }

    /// Offers a mark with the engine time of this command as its feed time.
    pub fn mark(&mut self, symbol: u32, price: i64) -> Outcome {
        self.offer(symbol, price, self.now + 1_000, 0)
    }

    /// Offers a mark with a feed time; `force` 1 is the operator's.
    pub fn offer(&mut self, symbol: u32, price: i64, feed_time: u64, force: u8) -> Outcome {
        let (symbol, price, feed_time) = (SymbolId(symbol), Price(price), TimestampNs(feed_time));
        self.send(&Mark { symbol, price, feed_time, force, ..Mark::new(0) })
    }

    /// FUNDING.
    pub fn funding(&mut self, symbol: u32, rate: i64, index: u64) -> Outcome {
        self.send(&Funding { symbol: SymbolId(symbol), rate: Rate(rate), index, ..Funding::new(0) })
    }

    /// SETTLE_SYMBOL.
    pub fn settle(&mut self, symbol: u32, price: i64) -> Outcome {
        self.send(&SettleSymbol { symbol: SymbolId(symbol), price: Price(price), ..SettleSymbol::new(0) })
    }

    /// SET_POSITION_LIMIT; 0 removes it.
    pub fn position_limit(&mut self, account: u32, symbol: u32, lots: i64) -> Outcome {
        let (account, symbol) = (AccountId(account), SymbolId(symbol));
        self.send(&SetPositionLimit { account, symbol, limit: Qty(lots), ..SetPositionLimit::new(0) })
    }

    /// The maker buys from the taker at its price.
    #[track_caller]
    pub fn long(&mut self, maker: u32, taker: u32, symbol: u32, price: i64, lots: i64) -> Outcome {
        self.deal(limit(maker, symbol, Side::Buy, price, lots), taker)
    }

    /// The maker sells to the taker at its price.
    #[track_caller]
    pub fn short(&mut self, maker: u32, taker: u32, symbol: u32, price: i64, lots: i64) -> Outcome {
        self.deal(limit(maker, symbol, Side::Sell, price, lots), taker)
    }

    /// A resting order, filled by an IOC order of the taker; the book has nothing better.
    #[track_caller]
    fn deal(&mut self, order: NewOrder, taker: u32) -> Outcome {
        self.place(order).accepted();
        let side = Side::from_code(order.side).expect("a side").opposite();
        let outcome = self.place(ioc(taker, order.symbol.0, side, order.price.0, order.quantity.0));
        assert_eq!(outcome.fills(), [(order.price.0, order.quantity.0)]);
        outcome
    }

    /// USDT in the futures wallet.
    pub fn wallet(&self, account: u32) -> i64 {
        self.futures.wallets.get(&(account, USDT)).copied().unwrap_or(0)
    }

    /// Lots, cost and margin of a position.
    pub fn position(&self, account: u32, symbol: u32) -> (i64, i64, i64) {
        let position = self.futures.positions.get(&(account, symbol));
        position.map_or((0, 0, 0), |p| (p.quantity.0, p.cost.0, p.margin.0))
    }

    /// Mode and leverage of the last POSITION event.
    pub fn terms(&self, account: u32, symbol: u32) -> Option<(MarginMode, u32)> {
        self.futures.positions.get(&(account, symbol)).map(|p| (mode(p.header.a), p.leverage))
    }
}
