//! The generator's mixture: which command comes next, and those that are not about orders.

use super::world::{ADMIN, ASSETS, CUSTOMERS, FIRST, MIDDLE, TREASURER, spare};
use super::{Feature, Generator, remember};
use crate::scenario::bytes;
use ringbook_event::Origin;
use ringbook_wire::message::{
    Continue, Deposit, Message, MessageType, NewOrder, Quarantine, SessionDown, SetAccount, SetAsset, SetStatus,
    SetSymbol, Tick, Withdraw, name_field,
};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, KeyId, Price, Qty, Rate, Sequence, SessionId, SymbolId, SymbolStatus,
    TimestampNs,
};

impl Generator {
    pub(super) fn any_command(&mut self) -> (Origin, Vec<u8>) {
        if self.has(Feature::Perpetual) && self.random.chance(3, 4) {
            return self.any_of_perpetuals();
        }
        if (self.has(Feature::Auction) || self.has(Feature::Close)) && self.random.chance(10, 1_000) {
            return self.status();
        }
        if self.has(Feature::Operator) && self.random.chance(12, 1_000) {
            return self.operator();
        }
        if self.status.get(&0) == Some(&SymbolStatus::CancelOnly) && self.random.chance(1, 15) {
            return self.end_maintenance();
        }
        match self.random.below(1_000) {
            0..690 => self.new_order(),
            690..810 => self.amend(),
            810..865 => self.cancel(),
            865..870 => self.cancel_all(),
            870..873 => self.session_down(),
            873..933 => self.money(),
            933..938 => Self::internal(&Tick::new(0)),
            938..941 => self.go_on(),
            941..945 => self.quarantine(),
            945..962 => self.status(),
            962..977 => self.set_account(),
            977..989 => self.set_symbol(),
            989..997 => self.set_key(),
            _ => self.set_asset(),
        }
    }

    /// CONTINUE without pending work. What its HANDLED shows of `of` then, EVENTS does not say.
    fn go_on(&mut self) -> (Origin, Vec<u8>) {
        let of = if self.unsettled { self.random.below(100) } else { 0 };
        Self::internal(&Continue { of: Sequence(of), ..Continue::new(0) })
    }

    fn session_down(&mut self) -> (Origin, Vec<u8>) {
        let (key, number) = (KeyId(1 + self.random.below(3) as u32), 1 + self.random.below(2) as u32);
        let session =
            if self.unsettled && self.random.chance(1, 10) { SessionId(0) } else { SessionId::new(key, number) };
        Self::internal(&SessionDown { session, ..SessionDown::new(0) })
    }

    /// A deposit or withdrawal: mostly next in number, sometimes again, changed or old.
    fn money(&mut self) -> (Origin, Vec<u8>) {
        if !self.money.is_empty() && self.random.chance(1, 4) {
            let back = self.random.below(self.money.len().min(6) as u64) as usize;
            let message = self.money[self.money.len() - 1 - back].clone();
            return self.again(&message);
        }
        let system = self.random.chance(1, 30);
        let account = if system { self.random.pick(&[1, 2, 3, 4]) } else { self.account() };
        let asset = if self.random.chance(1, 60) { 9 } else { 1 + self.random.below(u64::from(ASSETS)) as u32 };
        let adjustment = match self.random.below(30) {
            0 => self.random.below(4),
            1 => self.next_adjustment(account) + 2,
            _ => self.next_adjustment(account),
        };
        if adjustment > self.adjustments.get(&account).copied().unwrap_or(0) {
            self.adjustments.insert(account, adjustment);
        }
        let is_deposit = self.random.chance(1, 2);
        let amount = if self.absurdly() {
            // The negative of this one does not fit, and EVENTS does not say what its repetition shows.
            let amount = self.random.absurd();
            if amount == i64::MIN && !is_deposit && !self.unsettled { i64::MAX } else { amount }
        } else {
            self.random.between(1, self.temper.wealth * 300)
        };
        let reference = self.random.below(3);
        let (account, asset, amount) = (AccountId(account), AssetId(asset), Amount(amount));
        if is_deposit {
            let message = Deposit { account, asset, adjustment, amount, reference, ..Deposit::new(0) };
            remember(&mut self.money, bytes(&message), 40);
            self.sent(TREASURER, &message)
        } else {
            let message = Withdraw { account, asset, adjustment, amount, reference, ..Withdraw::new(0) };
            remember(&mut self.money, bytes(&message), 40);
            self.sent(TREASURER, &message)
        }
    }

    /// A money command again: identical, with another reference, or (unsettled) as the other kind.
    fn again(&mut self, message: &[u8]) -> (Origin, Vec<u8>) {
        let reference = u64::from(self.random.chance(1, 4)) * 5;
        let swap = self.unsettled && self.random.chance(1, 8);
        if let Some(mut m) = Deposit::read(message) {
            m.reference += reference;
            if swap {
                let (account, asset, adjustment, amount) = (m.account, m.asset, m.adjustment, m.amount);
                let other = Withdraw { account, asset, adjustment, amount, reference: m.reference, ..Withdraw::new(0) };
                return self.sent(TREASURER, &other);
            }
            return self.sent(TREASURER, &m);
        }
        let mut m = Withdraw::read(message).expect("it is one of the two");
        m.reference += reference;
        self.sent(TREASURER, &m)
    }

    /// Some command is set aside; its order or money command may come again, whatever its payload.
    fn quarantine(&mut self) -> (Origin, Vec<u8>) {
        let account = self.account();
        let kind = self.random.pick(&[64, 64, 64, 65, 72, 73, 0]);
        let is_money = kind == MessageType::Deposit as u8 || kind == MessageType::Withdraw as u8;
        let mut message = Quarantine {
            account: AccountId(account),
            kind,
            symbol: SymbolId(self.symbol()),
            halt: u32::from(self.random.chance(1, 5)),
            send_time: TimestampNs(self.now - self.random.below(1_000_000)),
            ..Quarantine::new(0)
        };
        if is_money {
            let fresh = self.next_adjustment(account);
            message.adjustment = if self.random.chance(1, 5) { self.random.below(fresh) } else { fresh };
            let (account, asset, amount) = (message.account, AssetId(1), Amount(1));
            let adjustment = message.adjustment;
            let again = Deposit { account, asset, adjustment, amount, ..Deposit::new(0) };
            remember(&mut self.money, bytes(&again), 40);
        } else if kind == MessageType::NewOrder as u8 && self.random.chance(9, 10) {
            self.client_ids += 1;
            message.client_id = ClientOrderId([self.client_ids, 9]);
            if self.random.chance(1, 4) {
                // One that is known, or was.
                let known = self.recent.back().map(|order| (order.account, order.client_id));
                (message.account, message.client_id) = known.unwrap_or((message.account, message.client_id));
            }
            let (account, client_id) = (message.account, message.client_id);
            let template = self.recent.back().copied().unwrap_or_else(|| NewOrder::new(0));
            remember(&mut self.recent, NewOrder { account, client_id, ..template }, 300);
        }
        Self::internal(&message)
    }

    /// Halts now and then; opens again soon what is halted, often by way of PRE_OPEN; rarely closes the spare symbol.
    fn status(&mut self) -> (Origin, Vec<u8>) {
        let collects = self.status.iter().find(|(_, status)| **status == SymbolStatus::PreOpen);
        let collects = collects.map(|(&symbol, _)| symbol).filter(|_| self.random.chance(1, 2));
        let stopped = |status: &SymbolStatus| matches!(status, SymbolStatus::Halted | SymbolStatus::CancelOnly);
        let halted = self.status.iter().find(|(_, status)| stopped(status)).map(|(&symbol, _)| symbol);
        let auction = self.has(Feature::Auction);
        let (symbol, status) = match (collects, halted) {
            _ if self.has(Feature::Close) && self.random.chance(1, 20) => (self.spare, SymbolStatus::Closed),
            (Some(symbol), _) if self.random.chance(1, 12) => (symbol, SymbolStatus::Halted),
            (Some(symbol), _) => (symbol, SymbolStatus::Trading),
            (None, Some(symbol)) if auction && self.random.chance(1, 2) => (symbol, SymbolStatus::PreOpen),
            (None, Some(symbol)) if self.random.chance(19, 20) => (symbol, SymbolStatus::Trading),
            _ => {
                let usual = [SymbolStatus::Trading, SymbolStatus::Halted, SymbolStatus::CancelOnly];
                let to_auction =
                    [SymbolStatus::Trading, SymbolStatus::Halted, SymbolStatus::Halted, SymbolStatus::CancelOnly];
                (self.symbol(), self.random.pick(if auction { &to_auction[..] } else { &usual[..] }))
            }
        };
        let mut message = SetStatus { symbol: SymbolId(symbol), status: status.code(), ..SetStatus::new(0) };
        if self.absurdly() {
            match self.random.below(3) {
                0 => message.reserved[1] = 1,
                1 if auction => message.status = SymbolStatus::PreOpen.code(),
                _ => message.status = self.random.pick(&[0, 6, 255]),
            }
        }
        self.sent(ADMIN, &message)
    }

    /// Suspends and lifts; changes groups, also while orders rest.
    pub(super) fn set_account(&mut self) -> (Origin, Vec<u8>) {
        let suspended = self.suspended.iter().find(|(_, suspended)| **suspended).map(|(&account, _)| account);
        let any = FIRST + self.random.below(u64::from(CUSTOMERS)) as u32;
        let account = if self.random.chance(3, 4) { suspended.unwrap_or(any) } else { any };
        let suspend = suspended.is_none() && self.random.chance(1, 3);
        let group = self.random.pick(&[0, 0, 1, 2, 3]);
        let suspended = u8::from(suspend);
        let mut message = SetAccount { account: AccountId(account), group, suspended, ..SetAccount::new(0) };
        if self.absurdly() {
            match self.random.below(3) {
                0 => message.account = AccountId(self.random.below(16) as u32),
                1 => message.reserved[0] = 1,
                _ if self.unsettled => message.suspended = 2,
                _ => message.reserved[6] = 255,
            }
        } else {
            self.suspended.insert(account, suspend);
        }
        self.sent(ADMIN, &message)
    }

    /// Changes a symbol's limits and rates, or breaks a rule.
    fn set_symbol(&mut self) -> (Origin, Vec<u8>) {
        if self.status.get(&self.spare) == Some(&SymbolStatus::Closed) && self.random.chance(1, 2) {
            return self.next_spare();
        }
        let place = self.random.below(self.symbols.len() as u64) as usize;
        let mut symbol = self.symbols[place];
        if self.random.chance(1, 3) {
            self.spoil_symbol(&mut symbol);
            return self.sent(ADMIN, &symbol);
        }
        if symbol.fee_model == 1 {
            symbol.taker = Rate(self.random.pick(&[0, 1, 100_000, -5_000, 33_333_333, 99_999_999]));
            symbol.maker = Rate(self.random.pick(&[0, -1, 80_000, -50_000, -12_345_679, 50_000_000]));
        } else {
            symbol.taker = Rate(self.random.between(-9, 9));
            symbol.maker = Rate(self.random.between(-9, 9));
        }
        symbol.max_trigger_orders = self.random.pick(&[1, 5, 5, 20]);
        symbol.max_open_orders = self.random.pick(&[1, 3, 20, 100]);
        symbol.band = Rate(self.random.pick(&[0, 0, 0, 3_000_000, 20_000_000, 20_000_000, 1]));
        symbol.slip = Rate(self.random.pick(&[0, 1_000_000, 3_000_000, 99_999_999]));
        symbol.max_price = Price(self.random.pick(&[104, 110, 1_000, 1_000]));
        if self.has(Feature::Stops) {
            // So that stop orders that wait find other bounds when they run.
            let lot = MIDDLE * symbol.quote_per_tick_lot.0;
            let (mut quantity, mut market, mut low, mut high) = (1, 30, 0, 0);
            match self.random.below(8) {
                0 => quantity = 3,
                1 => market = 4,
                2 => low = lot * 3,
                3 => high = lot * 10,
                _ => {}
            }
            (symbol.min_quantity, symbol.max_market_quantity) = (Qty(quantity), Qty(market));
            (symbol.min_notional, symbol.max_notional) = (Amount(low), Amount(high));
        }
        symbol.stp = self.random.pick(&[1, 2, 3, 4, 5]);
        self.symbols[place] = symbol;
        self.sent(ADMIN, &symbol)
    }

    /// A new symbol in place of the spare one that was closed.
    fn next_spare(&mut self) -> (Origin, Vec<u8>) {
        self.spare += 1;
        let statuses: &[SymbolStatus] = if self.has(Feature::Auction) {
            &[SymbolStatus::Trading, SymbolStatus::PreOpen]
        } else {
            &[SymbolStatus::Trading]
        };
        let status = self.random.pick(statuses);
        self.status.insert(self.spare, status);
        let symbol = SetSymbol { status: status.code(), ..spare(self.spare) };
        *self.symbols.last_mut().expect("there are symbols") = symbol;
        Self::internal(&symbol)
    }

    fn spoil_symbol(&mut self, symbol: &mut SetSymbol) {
        let absurd = self.random.absurd();
        match self.random.below(24) {
            0 => symbol.name = name_field("SPOT-1x").expect("short"),
            1 => symbol.base = AssetId(self.random.pick(&[0, 2, 9])),
            2 => symbol.quote = AssetId(self.random.pick(&[0, 9])),
            3 => symbol.kind = self.random.pick(&[0, 2, 3]),
            4 => symbol.fee_model = self.random.pick(&[0, 3]),
            5 => symbol.base_lot = Amount(absurd),
            6 => symbol.quote_per_tick_lot = Amount(absurd),
            7 => symbol.min_price = Price(self.random.pick(&[0, -1, i64::MIN, i64::MAX, 2_000])),
            8 => symbol.max_price = Price(self.random.pick(&[0, -1, i64::MIN, i64::MAX, 1 << 60])),
            9 => symbol.min_quantity = Qty(self.random.pick(&[0, -1, i64::MIN, i64::MAX, 2_000])),
            10 => symbol.max_quantity = Qty(self.random.pick(&[0, -1, i64::MIN, i64::MAX, 1 << 60])),
            11 => symbol.band = Rate(self.random.pick(&[-1, 100_000_000, i64::MAX, i64::MIN])),
            12 => symbol.slip = Rate(self.random.pick(&[-1, 100_000_000, i64::MAX, i64::MIN])),
            13 => symbol.taker = Rate(self.random.pick(&[100_000_000, -100_000_000, i64::MAX, i64::MIN])),
            14 => symbol.maker = Rate(self.random.pick(&[100_000_000, -100_000_000, i64::MAX, i64::MIN])),
            15 => symbol.stp = self.random.pick(&[0, 6, 255]),
            16 => (symbol.min_notional, symbol.max_notional) = (Amount(5), Amount(4)),
            17 => symbol.reserved[2] = 1,
            18 => symbol.reserved2[1] = 1,
            19 => symbol.symbol = SymbolId(0),
            20 => symbol.symbol = SymbolId(6),
            21 => symbol.status = 99,
            22 if self.unsettled => symbol.max_market_quantity = Qty(absurd),
            23 if self.unsettled => symbol.min_notional = Amount(absurd),
            _ => symbol.name = [b' '; 24],
        }
    }

    /// Revokes and restores keys; the treasurer and the admin stay.
    pub(super) fn set_key(&mut self) -> (Origin, Vec<u8>) {
        let revoked = self.keys.iter().position(|key| key.revoked == 1 && key.key != KeyId(6));
        let place = revoked.unwrap_or_else(|| self.random.pick(&[0, 1, 4, 5, 6]));
        let mut key = self.keys[place];
        key.revoked = u8::from(key.key == KeyId(6) || revoked.is_none() && self.random.chance(1, 4));
        self.keys[place] = key;
        if self.absurdly() {
            match self.random.below(5) {
                0 => key.key = KeyId(0),
                1 => key.role = self.random.pick(&[0, 5, 255]),
                2 => (key.first_account, key.last_account) = (AccountId(2), AccountId(1)),
                3 => key.reserved[1] = 1,
                _ => key.reserved2 = 1,
            }
        }
        self.sent(ADMIN, &key)
    }

    fn set_asset(&mut self) -> (Origin, Vec<u8>) {
        let name = self.random.pick(&["BTC", "USDT", "ETH", "XRP"]);
        let name = name_field(name).expect("a good name");
        let asset = AssetId(self.random.below(5) as u32);
        let mut message = SetAsset { asset, scale: self.random.pick(&[8, 8, 8, 13, 0]), name, ..SetAsset::new(0) };
        if self.absurdly() {
            if self.random.chance(1, 2) { message.reserved[0] = 1 } else { message.name = [0; 16] }
        }
        self.sent(ADMIN, &message)
    }
}
