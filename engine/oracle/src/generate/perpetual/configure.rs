//! The generator's SET_PERPETUAL, SET_POSITION_LIMIT, SET_STATUS and SETTLE_SYMBOL of perpetuals.

use super::super::Generator;
use super::super::world::{ADMIN, CUSTOMERS, FIRST};
use super::world::{IDS, PERCENT, set_tiers, spare};
use ringbook_event::Origin;
use ringbook_wire::message::{Message, SetPerpetual, SetPositionLimit, SetStatus, SettleSymbol};
use ringbook_wire::{AccountId, Amount, AssetId, Price, Qty, Rate, SymbolId, SymbolStatus};

impl Generator {
    /// Trades again what UNCOVERED stopped.
    pub(super) fn lift_reduce_only(&mut self) -> (Origin, Vec<u8>) {
        let symbol = *self.perpetuals.stuck.first().expect("the caller looked");
        self.perpetuals.stuck.remove(&symbol);
        Self::internal(&self.perpetuals.terms(symbol))
    }

    /// Changes terms, or breaks a rule.
    pub(super) fn change_perpetual(&mut self) -> (Origin, Vec<u8>) {
        let place = self.random.below(self.perpetuals.symbols.len() as u64) as usize;
        let mut terms = self.perpetuals.symbols[place];
        if self.random.chance(1, 2) {
            self.spoil_perpetual(&mut terms);
            return self.sent(ADMIN, &terms);
        }
        match self.random.below(12) {
            0 => terms.band = Rate(self.random.pick(&[0, 3, 10, 40]) * PERCENT),
            1 => terms.max_position = Qty(self.random.pick(&[20, 100, 400])),
            2 => terms.mark_jump = Rate(self.random.pick(&[0, 3, 10, 30]) * PERCENT),
            3 => terms.mark_max_age = self.random.pick(&[1_000_000_000, 10_000_000_000, 60_000_000_000]),
            4 => terms.max_leverage = self.random.pick(&[5, 20, 50]),
            5 => terms.fund_multiple = Rate(self.random.pick(&[0, 100, 1_000]) * PERCENT),
            6 => set_tiers(&mut terms, &[(1_500, 3, 20), (5_000, 5, 15), (20_000, 30, 3)]),
            7 => terms.maker = Rate(self.random.pick(&[-90_000, 0, 50_000])),
            _ => {
                // For some time; it is lifted as what UNCOVERED does is.
                self.perpetuals.stuck.insert(terms.symbol.0);
                let limited = SetPerpetual { reduce_only: 1, ..terms };
                return self.by_operator(&limited);
            }
        }
        self.perpetuals.symbols[place] = terms;
        Self::internal(&terms)
    }

    fn spoil_perpetual(&mut self, terms: &mut SetPerpetual) {
        let absurd = self.random.absurd();
        let rate = self.random.pick(&[-1, 100_000_000, i64::MAX, i64::MIN]);
        match self.random.below(28) {
            0 => terms.kind = self.random.pick(&[0, 1, 3]),
            1 => terms.fee_model = self.random.pick(&[0, 2]),
            2 => terms.max_position = Qty(self.random.pick(&[0, -1, 1 << 60])),
            3 => terms.mark_max_age = self.random.pick(&[0, u64::MAX, (1 << 62) + 1]),
            4 => terms.mark_jump = Rate(rate),
            5 => terms.funding_cap = Rate(rate),
            6 => terms.liquidation_fee = Rate(rate),
            7 => terms.funding_interval = self.random.pick(&[0, u64::MAX]),
            8 => terms.fund_multiple = Rate(self.random.pick(&[-1, i64::MAX, i64::MIN])),
            9 => terms.max_leverage = 0,
            10 => terms.mark_confirmations = 0,
            11 => terms.reduce_only = 2,
            12 => terms.tiers = self.random.pick(&[0, 9, 255, 1]),
            13 => terms.tier_cap[7] = Amount(1),
            14 => terms.tier_cap[1] = terms.tier_cap[0],
            15 => terms.tier_cap[0] = Amount(self.random.pick(&[0, -1])),
            16 => terms.tier_rate[0] = Rate(self.random.pick(&[0, 100_000_000, -5])),
            17 => terms.tier_rate[1] = Rate(terms.tier_rate[0].0 - 1),
            18 => terms.tier_amount[1] = Amount(terms.tier_amount[1].0 + 1),
            19 => terms.tier_amount[0] = Amount(1),
            20 => terms.tier_leverage[0] = self.random.pick(&[0, 1_000_000]),
            21 => terms.reserved2[1] = 1,
            22 => terms.reserved[3] = 1,
            23 => terms.symbol = SymbolId(self.random.pick(&[0, 1])),
            24 => terms.quote = AssetId(self.random.pick(&[0, 9])),
            25 => terms.quote_per_tick_lot = Amount(absurd),
            26 => terms.taker = Rate(rate),
            _ => terms.max_price = Price(absurd),
        }
    }

    /// A limit for a customer, or none again.
    pub(super) fn limit_command(&mut self) -> (Origin, Vec<u8>) {
        let symbol = self.perpetual();
        let mut message = SetPositionLimit {
            account: AccountId(FIRST + self.random.below(u64::from(CUSTOMERS)) as u32),
            symbol: SymbolId(symbol),
            limit: Qty(self.random.pick(&[0, 0, 3, 10, 1_000])),
            ..SetPositionLimit::new(0)
        };
        if self.random.chance(1, 8) {
            match self.random.below(3) {
                0 => message.account = AccountId(self.random.pick(&[0, 2, FIRST + CUSTOMERS])),
                1 => message.limit = Qty(-1),
                _ => message.symbol = SymbolId(1),
            }
        }
        self.by_operator(&message)
    }

    /// Halts, collects, opens again.
    pub(super) fn perpetual_status(&mut self, symbol: u32) -> (Origin, Vec<u8>) {
        let status = match self.status.get(&symbol) {
            Some(SymbolStatus::Trading) => {
                self.random.pick(&[SymbolStatus::Halted, SymbolStatus::CancelOnly, SymbolStatus::PreOpen])
            }
            Some(SymbolStatus::Halted) => self.random.pick(&[SymbolStatus::Trading, SymbolStatus::PreOpen]),
            _ => SymbolStatus::Trading,
        };
        let status = match self.random.below(20) {
            0 => SymbolStatus::Closed,
            1 => SymbolStatus::Trading,
            _ => status,
        };
        self.by_operator(&SetStatus { symbol: SymbolId(symbol), status: status.code(), ..SetStatus::new(0) })
    }

    /// Settles the spare perpetual; a successor comes soon.
    pub(super) fn settle_command(&mut self) -> (Origin, Vec<u8>) {
        let spare_id = self.perpetuals.spare;
        let is_closed = self.perpetuals.closed.contains(&spare_id);
        if is_closed && self.random.chance(4, 5) {
            self.perpetuals.spare += 1;
            let terms = spare(self.perpetuals.spare);
            *self.perpetuals.symbols.last_mut().expect("there are perpetuals") = terms;
            self.status.insert(self.perpetuals.spare, SymbolStatus::Trading);
            return Self::internal(&terms);
        }
        let holders = self.perpetuals.open().iter().filter(|(key, _)| key.1 == spare_id).count();
        if holders < 4 && !is_closed && self.random.chance(9, 10) {
            return self.perpetual_order_in(spare_id);
        }
        let mark = self.perpetuals.mark(spare_id);
        let far = self.random.pick(&[20, 50, 80, 100, 110, 150, 300]);
        let mut message = SettleSymbol {
            symbol: SymbolId(spare_id),
            price: Price((mark * far / 100).max(1)),
            ..SettleSymbol::new(0)
        };
        if self.random.chance(1, 8) {
            match self.random.below(4) {
                0 => message.reserved = 1,
                1 => message.symbol = SymbolId(self.random.pick(&[0, 1, 77])),
                2 => message.price = Price(self.random.pick(&[0, -1, 1_001])),
                _ => message.symbol = SymbolId(IDS[2] + 100),
            }
        }
        self.sent(ADMIN, &message)
    }
}
