//! A small exchange that makes consistent random journals: limit books with price-time order, holds, fees, prevention,
//! amendments, refusals, transfers. It follows docs/EVENTS.md where rows depend on it and is simple everywhere else.

use ringbook_event::*;
use ringbook_projector::{OwnedFrame, StateRows};
use ringbook_wire::message::*;
use ringbook_wire::*;
use std::collections::{BTreeMap, BTreeSet};
use zerocopy::IntoBytes;

pub const K: i64 = 10;
pub const LOT: i64 = 1_000;
pub const USDT: u32 = 1;

#[derive(Clone, Debug)]
pub struct Order {
    pub account: u32,
    pub symbol: u32,
    pub buy: bool,
    pub price: i64,
    pub orig: i64,
    pub remaining: i64,
    pub filled: i64,
    pub prevented: i64,
    pub cut: i64,
    pub cost: i64,
    pub fee: i64,
    pub hold: i64,
    pub client: u128,
}

pub struct World {
    pub frames: Vec<OwnedFrame>,
    pub orders: BTreeMap<u64, Order>,
    pub balances: BTreeMap<(u32, u32), (i64, i64)>,
    touched: BTreeSet<(u32, u32)>,
    rng: u64,
    time: u64,
    last_order: u64,
    last_trade: u64,
    adjustments: BTreeMap<u32, u64>,
    accounts: u32,
    events: Vec<u8>,
    /// Whether hours pass now and then.
    pub jumps: bool,
}

impl World {
    pub fn new(seed: u64, accounts: u32) -> Self {
        let mut world = Self {
            frames: Vec::new(),
            orders: BTreeMap::new(),
            balances: BTreeMap::new(),
            touched: BTreeSet::new(),
            rng: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            // 2026-11-22 23:59:50 UTC: midnight comes soon.
            time: 1_795_391_990_000_000_000,
            last_order: 0,
            last_trade: 0,
            adjustments: BTreeMap::new(),
            accounts,
            events: Vec::new(),
            jumps: true,
        };
        world.begin();
        world
    }

    /// A journal of about this many frames.
    pub fn frames(seed: u64, count: usize) -> Vec<OwnedFrame> {
        let mut world = Self::new(seed, 8);
        while world.frames.len() < count {
            world.step();
        }
        world.frames
    }

    pub fn random(&mut self, below: u64) -> u64 {
        self.rng ^= self.rng << 13;
        self.rng ^= self.rng >> 7;
        self.rng ^= self.rng << 17;
        (self.rng >> 16) % below
    }

    /// The engine's state, for `verify`.
    pub fn state(&self) -> StateRows {
        StateRows {
            balances: self.balances.iter().map(|(k, v)| (k.0, k.1, v.0, v.1)).collect(),
            open_orders: self.orders.iter().map(|(id, o)| (*id, o.remaining, o.filled)).collect(),
        }
    }

    fn event<R: Record>(&mut self, record: R) {
        self.events.extend_from_slice(record.as_bytes());
    }

    fn commit<M: Message>(&mut self, message: &M) {
        for (account, asset) in std::mem::take(&mut self.touched) {
            let (available, held) = self.balances[&(account, asset)];
            let header = Balance::header(1, 0, account);
            self.event(Balance {
                header,
                asset: AssetId(asset),
                reserved: 0,
                available: Amount(available),
                held: Amount(held),
            });
        }
        let jump = if self.random(150) == 0 && self.jumps { 7_200_000_000_000 } else { 0 };
        self.time += 1 + self.random(40_000_000) + jump;
        let mut command = Origin::INTERNAL.as_bytes().to_vec();
        command.extend_from_slice(message.as_bytes());
        self.frames.push(OwnedFrame {
            sequence: self.frames.len() as u64 + 1,
            term: 1 + self.frames.len() as u32 / 500,
            time_ns: self.time,
            command,
            events: std::mem::take(&mut self.events),
        });
    }

    fn config<M: Message>(&mut self, message: M, id: u32) {
        self.event(Config { header: Config::header(M::KIND, 0, id), reserved: 0 });
        self.commit(&message);
    }

    fn begin(&mut self) {
        self.config(Genesis { rules: 1, max_orders: 1_000_000, ..Genesis::new(0) }, 0);
        for (id, name) in [(USDT, "USDT"), (2, "BTC"), (3, "ETH")] {
            let asset = SetAsset { asset: AssetId(id), scale: 8, name: name_field(name).unwrap(), ..SetAsset::new(0) };
            self.config(asset, id);
        }
        for (id, base, name) in [(1, 2, "BTC/USDT"), (2, 3, "ETH/USDT")] {
            self.config(symbol(id, base, name), id);
        }
        for account in 16..16 + self.accounts {
            self.account(account, 0);
            for asset in 1..=3 {
                self.deposit(account, asset, 1_000_000_000_000_000);
            }
        }
    }

    fn account(&mut self, account: u32, suspended: u8) {
        self.config(SetAccount { account: AccountId(account), suspended, ..SetAccount::new(0) }, account);
    }

    fn add(&mut self, account: u32, asset: u32, available: i64, held: i64) {
        let wallet = self.balances.entry((account, asset)).or_default();
        *wallet = (wallet.0 + available, wallet.1 + held);
        self.touched.insert((account, asset));
    }

    fn deposit(&mut self, account: u32, asset: u32, amount: i64) {
        let adjustment = {
            let n = self.adjustments.entry(account).or_default();
            *n += 1;
            *n
        };
        // References are the operator's own numbers: any 64 bits.
        let reference = if self.random(2) == 0 { u64::MAX - adjustment } else { adjustment };
        let header = Transfer::header(if amount > 0 { 1 } else { 2 }, 0, account);
        self.event(Transfer {
            header,
            asset: AssetId(asset),
            code: 0,
            reserved: 0,
            adjustment,
            amount: Amount(amount),
            reference,
        });
        self.add(account, asset, amount, 0);
        self.add(4, asset, -amount, 0);
        if amount > 0 {
            self.commit(&Deposit {
                account: AccountId(account),
                asset: AssetId(asset),
                adjustment,
                amount: Amount(amount),
                reference,
                ..Deposit::new(0)
            });
        } else {
            self.commit(&Withdraw {
                account: AccountId(account),
                asset: AssetId(asset),
                adjustment,
                amount: Amount(-amount),
                reference,
                ..Withdraw::new(0)
            });
        }
    }

    fn hold_of(order: &Order) -> i64 {
        if order.buy { order.price * order.remaining * K * 1_001 / 1_000 + 10 } else { order.remaining * LOT }
    }

    /// Sets an order's hold to what it needs now (0 once nothing remains).
    fn set_hold(&mut self, id: u64) {
        let order = self.orders.get_mut(&id).unwrap();
        let need = if order.remaining == 0 { 0 } else { Self::hold_of(order) };
        let change = need - order.hold;
        order.hold = need;
        let (account, asset) = (order.account, if order.buy { USDT } else { order.symbol + 1 });
        self.add(account, asset, -change, change);
    }

    fn done(&mut self, id: u64, state: OrderState, reason: u8, open: i64) {
        self.orders.get_mut(&id).unwrap().remaining = 0;
        self.set_hold(id);
        let order = self.orders.remove(&id).unwrap();
        self.event(Done {
            header: Done::header(state.code(), reason, order.account),
            order: OrderId(id),
            symbol: SymbolId(order.symbol),
            reserved: 0,
            filled: Qty(order.filled),
            cost: Amount(order.cost),
            fee: Amount(order.fee),
            returned: Amount(order.hold),
            remaining: Qty(open),
            prevented: Qty(order.prevented),
            cut: Qty(order.cut),
            client_id: order.client.into(),
        });
    }

    /// The best order on the other side that the taker may trade with.
    fn best(&self, taker: u64) -> Option<u64> {
        let t = &self.orders[&taker];
        let crossing = self.orders.iter().filter(|(id, o)| {
            **id != taker
                && o.symbol == t.symbol
                && o.buy != t.buy
                && if t.buy { o.price <= t.price } else { o.price >= t.price }
        });
        crossing.min_by_key(|(id, o)| (if t.buy { o.price } else { -o.price }, **id)).map(|(id, _)| *id)
    }

    fn fill(order: &mut Order, quantity: i64, value: i64, fee: i64) {
        order.remaining -= quantity;
        order.filled += quantity;
        order.cost += value;
        order.fee += fee;
    }

    fn match_order(&mut self, taker: u64) {
        while self.orders[&taker].remaining > 0 {
            let Some(maker) = self.best(taker) else { return };
            let (t, m) = (self.orders[&taker].clone(), self.orders[&maker].clone());
            let quantity = t.remaining.min(m.remaining);
            if t.account == m.account {
                self.prevent(taker, maker, quantity, t.client % 3 == 0);
                if !self.orders.contains_key(&taker) {
                    return;
                }
                continue;
            }
            let value = m.price * quantity * K;
            let (taker_fee, maker_fee) = (value / 1_000 + 1, -value / 10_000);
            Self::fill(self.orders.get_mut(&taker).unwrap(), quantity, value, taker_fee);
            Self::fill(self.orders.get_mut(&maker).unwrap(), quantity, value, maker_fee);
            self.last_trade += 1;
            let (t, m) = (self.orders[&taker].clone(), self.orders[&maker].clone());
            self.event(Trade {
                header: Trade::header(if t.buy { 1 } else { 2 }, 1, t.symbol),
                trade: TradeId(self.last_trade),
                price: Price(m.price),
                quantity: Qty(quantity),
                taker_order: OrderId(taker),
                maker_order: OrderId(maker),
                taker_account: AccountId(t.account),
                maker_account: AccountId(m.account),
                taker_fee: Amount(taker_fee),
                maker_fee: Amount(maker_fee),
                taker_remaining: Qty(t.remaining),
                maker_remaining: Qty(m.remaining),
                taker_filled: Qty(t.filled),
                maker_filled: Qty(m.filled),
                taker_cost: Amount(t.cost),
                maker_cost: Amount(m.cost),
            });
            let (base, lots) = (t.symbol + 1, quantity * LOT);
            let (buyer, seller, buy_fee, sell_fee) = if t.buy {
                (t.account, m.account, taker_fee, maker_fee)
            } else {
                (m.account, t.account, maker_fee, taker_fee)
            };
            self.add(buyer, USDT, -value - buy_fee, 0);
            self.add(buyer, base, lots, 0);
            self.add(seller, USDT, value - sell_fee, 0);
            self.add(seller, base, -lots, 0);
            self.add(1, USDT, buy_fee + sell_fee, 0);
            self.set_hold(taker);
            self.set_hold(maker);
            if m.remaining == 0 {
                self.done(maker, OrderState::Filled, 0, 0);
            }
        }
        self.done(taker, OrderState::Filled, 0, 0);
    }

    /// CANCEL_MAKER, or DECREMENT.
    fn prevent(&mut self, taker: u64, maker: u64, quantity: i64, decrement: bool) {
        let lost =
            (if decrement { quantity } else { 0 }, if decrement { quantity } else { self.orders[&maker].remaining });
        for (id, lost) in [(taker, lost.0), (maker, lost.1)] {
            let order = self.orders.get_mut(&id).unwrap();
            order.remaining -= lost;
            order.prevented += lost;
            self.set_hold(id);
        }
        let (t, m) = (self.orders[&taker].clone(), self.orders[&maker].clone());
        self.event(Prevented {
            header: Prevented::header(if decrement { 5 } else { 3 }, 0, t.symbol),
            taker_order: OrderId(taker),
            maker_order: OrderId(maker),
            taker_quantity: Qty(lost.0),
            maker_quantity: Qty(lost.1),
            taker_remaining: Qty(t.remaining),
            maker_remaining: Qty(m.remaining),
            taker_account: AccountId(t.account),
            maker_account: AccountId(m.account),
        });
        for (id, order) in [(maker, m), (taker, t)] {
            if order.remaining == 0 {
                self.done(id, OrderState::ExpiredStp, EndReason::Stp.code(), 0);
            }
        }
    }

    /// One random command.
    pub fn step(&mut self) {
        match self.random(100) {
            0..=63 => self.new_order(),
            64..=77 => self.cancel(),
            78..=85 => self.amend(),
            86..=87 => self.cancel_all(),
            88..=91 => self.refused(),
            92..=95 => {
                let (account, asset) = (16 + self.random(self.accounts.into()) as u32, 1 + self.random(3) as u32);
                let amount = 1 + self.random(1_000_000) as i64;
                let sign = if self.random(2) == 0 { 1 } else { -1 };
                self.deposit(account, asset, amount * sign);
            }
            96 => {
                let symbol = 1 + self.random(2) as u32;
                let status = 2 + self.random(3) as u8;
                self.event(Status { header: Status::header(status, 2, symbol), reserved: 0 });
                self.commit(&SetStatus { symbol: SymbolId(symbol), status, ..SetStatus::new(0) });
            }
            97 => {
                let (account, suspended) = (16 + self.random(self.accounts.into()) as u32, self.random(2) as u8);
                self.account(account, suspended);
            }
            98 => {
                let mut again = symbol(1, 2, "BTC/USDT");
                again.taker = Rate(self.random(1_000_000) as i64);
                self.config(again, 1);
            }
            _ => {
                self.event(Handled {
                    header: Handled::header(115, 0, 0),
                    count: 0,
                    reserved: 0,
                    argument: 0,
                    reserved2: 0,
                });
                self.commit(&Tick::new(0));
            }
        }
    }

    fn new_order(&mut self) {
        let account = 16 + self.random(self.accounts.into()) as u32;
        let symbol = 1 + self.random(2) as u32;
        let buy = self.random(2) == 0;
        let kind = self.random(20);
        let (order_type, tif) = match kind {
            0 => (OrderType::Market, TimeInForce::Ioc),
            1 | 2 => (OrderType::Limit, TimeInForce::Ioc),
            3 => (OrderType::Limit, TimeInForce::Fok),
            _ => (OrderType::Limit, TimeInForce::Gtc),
        };
        let price = 3_000_000 + self.random(200) as i64 - 100;
        let quantity = 1 + self.random(500) as i64;
        self.last_order += 1;
        let id = self.last_order;
        let client = u128::from(self.random(u64::MAX)) << 64 | u128::from(id);
        let market = order_type == OrderType::Market;
        let command = NewOrder {
            client_id: client.into(),
            account: AccountId(account),
            symbol: SymbolId(symbol),
            price: Price(if market { 0 } else { price }),
            quantity: Qty(quantity),
            send_time: TimestampNs(self.time),
            side: if buy { 1 } else { 2 },
            order_type: order_type.code(),
            time_in_force: tif.code(),
            flags: if tif == TimeInForce::Gtc { order_flags::CANCEL_ON_DISCONNECT } else { 0 },
            ..NewOrder::new(id as u32)
        };
        let price = if market { if buy { 3_000_500 } else { 2_999_500 } } else { price };
        let order = Order {
            account,
            symbol,
            buy,
            price,
            orig: quantity,
            remaining: quantity,
            filled: 0,
            prevented: 0,
            cut: 0,
            cost: 0,
            fee: 0,
            hold: 0,
            client,
        };
        self.orders.insert(id, order);
        self.set_hold(id);
        let hold = Amount(self.orders[&id].hold);
        self.event(Accepted {
            header: Accepted::header(command.side, command.order_type, account),
            order: OrderId(id),
            symbol: SymbolId(symbol),
            stp: 3,
            reserved: [0; 3],
            price: Price(price),
            quantity: Qty(quantity),
            hold,
        });
        let expire = |world: &mut Self, reason: EndReason| {
            let open = world.orders[&id].remaining;
            world.event(Expired {
                header: Expired::header(reason.code(), 0, account),
                order: OrderId(id),
                symbol: SymbolId(symbol),
                code: 0,
                reserved: 0,
                remaining: Qty(open),
            });
            world.done(id, OrderState::Expired, reason.code(), open);
        };
        if tif == TimeInForce::Fok && self.random(2) == 0 {
            expire(self, EndReason::Fok);
        } else {
            self.match_order(id);
            if tif != TimeInForce::Gtc && self.orders.contains_key(&id) {
                expire(self, if market { EndReason::NoLiquidity } else { EndReason::Ioc });
            }
        }
        self.commit(&command);
    }

    fn any_order(&mut self) -> Option<u64> {
        let n = self.random(self.orders.len().max(1) as u64) as usize;
        self.orders.keys().nth(n).copied()
    }

    fn end(&mut self, id: u64, reason: EndReason) {
        let order = self.orders[&id].clone();
        self.event(Canceled {
            header: Canceled::header(reason.code(), 0, order.account),
            order: OrderId(id),
            symbol: SymbolId(order.symbol),
            reserved: 0,
            remaining: Qty(order.remaining),
        });
        self.done(id, OrderState::Canceled, reason.code(), order.remaining);
    }

    fn cancel(&mut self) {
        let Some(id) = self.any_order() else { return };
        let account = AccountId(self.orders[&id].account);
        self.end(id, EndReason::User);
        self.commit(&Cancel { account, order: OrderId(id), ..Cancel::new(0) });
    }

    fn cancel_all(&mut self) {
        let account = 16 + self.random(self.accounts.into()) as u32;
        let ids: Vec<u64> = self.orders.iter().filter(|(_, o)| o.account == account).map(|(id, _)| *id).collect();
        for id in &ids {
            self.end(*id, EndReason::Mass);
        }
        self.event(Handled {
            header: Handled::header(67, 0, account),
            count: ids.len() as u32,
            reserved: 0,
            argument: 0,
            reserved2: 0,
        });
        self.commit(&CancelAll { account: AccountId(account), ..CancelAll::new(0) });
    }

    fn amend(&mut self) {
        let Some(id) = self.any_order() else { return };
        let mut order = self.orders[&id].clone();
        let total = order.orig - order.cut;
        let least = order.filled + order.prevented + 1;
        let new_total = least + self.random(600) as i64;
        let price = if self.random(2) == 0 { order.price } else { order.price + self.random(20) as i64 - 10 };
        if new_total > total {
            order.orig += new_total - total
        } else {
            order.cut += total - new_total
        }
        order.remaining = new_total - order.filled - order.prevented;
        order.price = price;
        let command = Amend {
            account: AccountId(order.account),
            order: OrderId(id),
            price: Price(price),
            quantity: Qty(new_total),
            ..Amend::new(0)
        };
        self.orders.insert(id, order.clone());
        self.set_hold(id);
        let hold = Amount(self.orders[&id].hold);
        self.event(Amended {
            header: Amended::header(1, 0, order.account),
            order: OrderId(id),
            price: Price(price),
            quantity: Qty(order.orig),
            remaining: Qty(order.remaining),
            hold,
            symbol: SymbolId(order.symbol),
            reserved: 0,
            cut: Qty(order.cut),
            trigger: Price(0),
        });
        self.match_order(id);
        self.commit(&command);
    }

    fn refused(&mut self) {
        let account = 16 + self.random(self.accounts.into()) as u32;
        let reject = |code: RejectCode, kind: u8, client: u128| Rejected {
            header: Rejected::header(kind, 0, account),
            code: code.code(),
            reserved: [0; 6],
            client_id: client.into(),
        };
        match self.random(5) {
            0 => {
                self.event(reject(RejectCode::InsufficientBalance, 73, 0));
                let amount = Amount(if self.random(2) == 0 { i64::MAX } else { i64::MIN });
                self.commit(&Withdraw {
                    account: AccountId(account),
                    asset: AssetId(2),
                    adjustment: u64::MAX,
                    amount,
                    reference: 7,
                    ..Withdraw::new(0)
                });
            }
            1 => {
                self.event(reject(RejectCode::UnknownOrder, 65, 0));
                self.commit(&Cancel { account: AccountId(account), order: OrderId(u64::MAX), ..Cancel::new(0) });
            }
            2 => {
                let code = Transfer {
                    header: Transfer::header(1, 1, account),
                    asset: AssetId(1),
                    code: 0,
                    reserved: 0,
                    adjustment: 1,
                    amount: Amount(5),
                    reference: 0,
                };
                self.event(code);
                self.commit(&Deposit {
                    account: AccountId(account),
                    asset: AssetId(1),
                    adjustment: 1,
                    amount: Amount(5),
                    ..Deposit::new(0)
                });
            }
            3 => {
                self.event(reject(RejectCode::BadConfig, 81, 0));
                self.commit(&symbol(9, 77, "BAD/BAD"));
            }
            _ => {
                self.event(reject(RejectCode::QtyRange, 64, u128::MAX));
                self.commit(&NewOrder {
                    account: AccountId(account),
                    symbol: SymbolId(1),
                    client_id: u128::MAX.into(),
                    quantity: Qty(i64::MAX),
                    side: 9,
                    order_type: 1,
                    ..NewOrder::new(0)
                });
            }
        }
    }
}

fn symbol(id: u32, base: u32, name: &str) -> SetSymbol {
    SetSymbol {
        symbol: SymbolId(id),
        base: AssetId(base),
        quote: AssetId(USDT),
        kind: 1,
        fee_model: 1,
        name: name_field(name).unwrap(),
        base_lot: Amount(LOT),
        quote_per_tick_lot: Amount(K),
        min_price: Price(1),
        max_price: Price(10_000_000),
        min_quantity: Qty(1),
        max_quantity: Qty(1_000_000),
        max_market_quantity: Qty(1_000_000),
        taker: Rate(100_000),
        maker: Rate(-10_000),
        max_open_orders: 200,
        stp: 3,
        status: 2,
        ..SetSymbol::new(0)
    }
}
