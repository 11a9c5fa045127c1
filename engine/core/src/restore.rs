//! An engine from an [`Image`]. The image may come from a damaged or foreign file: everything is checked, nothing panics.
//!
//! Invariant: restoring an image and taking it again gives the same image.

use crate::accounts::OwnFees;
use crate::dedupe::{Outcome, Request};
use crate::engine::{Engine, MAX_EVENT_BYTES, MIN_EVENT_BYTES, RULES_VERSION, Settings};
use crate::image::{AccountImage, Image, OrderImage, RingImage, SymbolImage, WorkImage};
use crate::keys::{Key, MAX_KEY};
use crate::money::FeeTerms;
use crate::new_order::crosses;
use crate::orders::{Links, NIL, Order, Place};
use crate::pending::{Cause, Task, Work};
use crate::symbols::{Asset, MAX_ID, Terms, is_fee_rate};
use ringbook_event::Origin;
use ringbook_wire::message::MessageType;
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, EndReason, FeeModel, KeyId, MAX_AMOUNT, OrderId, OrderState, OrderType,
    Price, Qty, RATE_ONE, Rate, Role, Sequence, SessionId, Side, StpMode, SymbolId, SymbolKind, SymbolStatus,
    TimeInForce, TimestampNs, TriggerDirection,
};

/// An image that is not a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the image at sequence {sequence} is not a state: {what}; use an older snapshot")]
pub struct RestoreError {
    /// Sequence of the image.
    pub sequence: u64,
    /// What does not fit.
    pub what: String,
}

pub(crate) type Checked<T> = Result<T, String>;

pub(crate) fn known<T>(what: &str, value: Option<T>) -> Checked<T> {
    value.ok_or_else(|| format!("{what} is not known"))
}

pub(crate) fn flag(what: &str, value: u8) -> Checked<bool> {
    if value <= 1 { Ok(value == 1) } else { Err(format!("{what} is {value}, not 0 or 1")) }
}

impl Engine {
    /// The engine whose image this is.
    ///
    /// # Errors
    /// The image is not a state that an engine can have.
    pub fn restore(image: &Image) -> Result<Self, RestoreError> {
        let error = |what| RestoreError { sequence: image.sequence, what };
        let mut engine = Self::new();
        engine.fill(image).map_err(error)?;
        engine.check_invariants().map_err(error)?;
        Ok(engine)
    }

    fn fill(&mut self, image: &Image) -> Checked<()> {
        let settings = Settings {
            seed: image.seed,
            rules: image.rules,
            shard: image.shard,
            dedupe_capacity: image.dedupe_capacity,
            max_event_bytes: image.max_event_bytes,
            max_orders: image.max_orders,
        };
        let empty = image.sequence == 0;
        if !empty && image.rules != RULES_VERSION {
            return Err(format!("rules version {} is not executed by this binary", image.rules));
        }
        let bounded = |value: u32| (1..1 << 30).contains(&value);
        let sizes = bounded(image.dedupe_capacity) && bounded(image.max_orders);
        if !empty && (!sizes || !(MIN_EVENT_BYTES..=MAX_EVENT_BYTES).contains(&image.max_event_bytes)) {
            return Err("its settings are out of bounds".into());
        }
        if image.orders.len() > image.max_orders as usize || image.ring.len() > image.dedupe_capacity as usize {
            return Err("more orders or ring entries than its settings allow".into());
        }
        self.restore_settings(settings);
        self.sequence = Sequence(image.sequence);
        self.time = TimestampNs(image.time);
        (self.next_order, self.next_trade, self.next_queue) = (image.next_order, image.next_trade, image.next_queue);
        if [self.next_order, self.next_trade, self.next_queue].contains(&0) {
            return Err("its counters begin at 1".into());
        }
        self.maintenance = flag("maintenance", image.maintenance)?;
        let made = 1..image.next_trade;
        if !image.busted.is_sorted_by(|a, b| a < b) || !image.busted.iter().all(|trade| made.contains(trade)) {
            return Err("the trades that were taken back are out of order or were never made".into());
        }
        self.busted = image.busted.iter().copied().collect();
        for asset in &image.assets {
            if !(1..=MAX_ID).contains(&asset.asset) {
                return Err(format!("asset id {}", asset.asset));
            }
            self.symbols.set_asset(AssetId(asset.asset), Asset { scale: asset.scale, name: asset.name });
        }
        let rising = image.assets.is_sorted_by(|a, b| a.asset < b.asset)
            && image.symbols.is_sorted_by(|a, b| a.symbol < b.symbol)
            && image.accounts.is_sorted_by(|a, b| a.account < b.account)
            && image.keys.is_sorted_by(|a, b| a.key < b.key);
        if !rising {
            return Err("its assets, symbols, accounts or keys do not rise by id".into());
        }
        for symbol in &image.symbols {
            self.restore_symbol(symbol)?;
        }
        for account in &image.accounts {
            self.restore_account(account)?;
        }
        self.restore_contracts(image)?;
        for key in &image.keys {
            if !(1..=MAX_KEY).contains(&key.key) {
                return Err(format!("key id {}", key.key));
            }
            let restored = Key {
                role: known("a key's role", Role::from_code(key.role))?,
                revoked: flag("revoked", key.revoked)?,
                first_account: AccountId(key.first_account),
                last_account: AccountId(key.last_account),
                public_key: key.public_key,
            };
            self.keys.set(KeyId(key.key), restored);
        }
        if !image.orders.is_sorted_by(|a, b| a.order < b.order) {
            return Err("its orders do not rise by order id".into());
        }
        // Lists go by acceptance, queues by queue sequence: two passes.
        let mut resting = Vec::new();
        for order in &image.orders {
            let (slot, place) = self.restore_order(order)?;
            match place {
                Place::Book => resting.push((order.queue_sequence, slot)),
                Place::Waiting => {
                    let Order { symbol, trigger, by_mark, .. } = *self.orders.get(slot);
                    let stops = self.symbols.at_mut(symbol).waiting(by_mark);
                    stops.widen(&mut self.orders, trigger);
                    stops.join(&mut self.orders, slot);
                }
                Place::Working | Place::Fired => self.orders.get_mut(slot).place = place,
            }
            if order.listed == 1 {
                self.list(slot);
            }
        }
        resting.sort_unstable();
        for (_, slot) in resting {
            let Order { symbol, price, .. } = *self.orders.get(slot);
            self.symbols.at_mut(symbol).book.widen(&mut self.orders, price);
            self.symbols.at_mut(symbol).book.join(&mut self.orders, slot);
        }
        for &id in &image.fired {
            let slot = match self.dedupe.find_order(OrderId(id)) {
                Some(crate::dedupe::Known::Open(slot)) if self.orders.get(slot).place == Place::Fired => slot,
                _ => return Err(format!("fired order {id}")),
            };
            self.fired.push_back(slot);
        }
        for entry in &image.ring {
            self.restore_entry(entry)?;
        }
        for work in &image.work {
            let work = self.restore_work(work)?;
            self.work.push_back(work);
        }
        self.check_work()?;
        self.restore_perpetual_work(image)
    }

    /// What is being worked on is what pending work names, and the other way round.
    fn check_work(&self) -> Checked<()> {
        let of_place = |place| self.orders.slots().filter(move |&slot| self.orders.get(slot).place == place);
        let takers: Vec<u32> = self
            .work
            .iter()
            .filter_map(|work| if let Task::Taker { slot } = work.task { Some(slot) } else { None })
            .collect();
        if of_place(Place::Working).ne(takers.iter().copied()) || takers.len() > 1 {
            return Err("the orders at work and the pending takers disagree".into());
        }
        let mut fired: Vec<u32> = self.fired.iter().copied().collect();
        fired.sort_unstable();
        let runs = self
            .work
            .front()
            .is_some_and(|work| matches!(work.task, Task::Taker { .. } | Task::Loop { between: false }));
        if of_place(Place::Fired).ne(fired) || !self.fired.is_empty() && !runs {
            return Err("the stop orders that have fired and those in line disagree".into());
        }
        if self.work.iter().skip(1).any(|work| !work.is_interruptible()) {
            return Err("work that nothing may come between is not the first".into());
        }
        for work in &self.work {
            if let Task::Uncross { symbol, price, left } = work.task {
                let book = &self.symbols.at(symbol).book;
                let lots = |side| -> i128 {
                    let levels = book.levels(side).take_while(|level| crosses(side, level.price, price));
                    levels.map(|level| level.total + level.hidden).sum()
                };
                let least = i128::from(self.symbols.at(symbol).contract.is_none());
                if left < least || least == 1 && lots(Side::Buy) < left || least == 1 && lots(Side::Sell) < left {
                    return Err("the volume of an uncross is not in the book".into());
                }
            }
        }
        Ok(())
    }

    fn restore_symbol(&mut self, s: &SymbolImage) -> Checked<()> {
        let model = known("a fee model", FeeModel::from_code(s.fee_model))?;
        let sane = (1..=MAX_ID).contains(&s.symbol) && s.max_price >= 1 && s.k >= 1 && s.base_lot >= 1;
        if !sane || self.symbols.asset(AssetId(s.base)).is_none() || self.symbols.asset(AssetId(s.quote)).is_none() {
            return Err(format!("symbol {} is out of bounds", s.symbol));
        }
        let terms = Terms {
            base: AssetId(s.base),
            quote: AssetId(s.quote),
            kind: known("a symbol kind", SymbolKind::from_code(s.kind))?,
            fee_group: s.fee_group,
            name: s.name,
            base_lot: Amount(s.base_lot),
            k: Amount(s.k),
            min_price: Price(s.min_price),
            max_price: Price(s.max_price),
            min_quantity: Qty(s.min_quantity),
            max_quantity: Qty(s.max_quantity),
            max_market_quantity: Qty(s.max_market_quantity),
            min_notional: Amount(s.min_notional),
            max_notional: Amount(s.max_notional),
            band: Rate(s.band),
            slip: Rate(s.slip),
            fees: FeeTerms { model, taker: s.taker, maker: s.maker },
            max_open_orders: s.max_open_orders,
            max_trigger_orders: s.max_trigger_orders,
            stp: known("an STP mode", StpMode::from_code(s.stp))?,
        };
        let share = |rate: Rate| (0..RATE_ONE).contains(&rate.0);
        let rates = [s.taker, s.maker];
        let ordered = 1 <= s.min_price && s.min_price <= s.max_price && 1 <= s.min_quantity;
        if !ordered
            || !share(terms.band)
            || !share(terms.slip)
            || terms.stp == StpMode::Default
            || model == FeeModel::Rate && !rates.into_iter().all(is_fee_rate)
            || rates.contains(&i64::MIN)
        {
            return Err(format!("the terms of symbol {} are out of bounds", s.symbol));
        }
        let status = known("a status", SymbolStatus::from_code(s.status))?;
        self.symbols.add(SymbolId(s.symbol), terms, status, Price(s.last));
        Ok(())
    }

    fn restore_account(&mut self, a: &AccountImage) -> Checked<()> {
        let id = AccountId(a.account);
        let slot = match self.accounts.find(id) {
            Some(slot) if id.is_system() => slot,
            Some(_) => return Err(format!("account {id} stands twice")),
            None => self.accounts.add(id),
        };
        self.accounts.set_group(slot, a.group);
        let account = self.accounts.get_mut(slot);
        account.suspended = flag("suspended", a.suspended)?;
        let ordered = a.fees.is_sorted_by(|a, b| a.group < b.group);
        if !ordered || !a.fees.iter().all(|own| is_fee_rate(own.taker) && is_fee_rate(own.maker)) {
            return Err(format!("own fees of account {id} are out of bounds"));
        }
        account.fees =
            a.fees.iter().map(|own| OwnFees { group: own.group, taker: own.taker, maker: own.maker }).collect();
        account.dedupe.evicted = TimestampNs(a.evicted);
        account.adjustment = crate::accounts::LastAdjustment {
            number: a.adjustment,
            payload: a.adjustment_payload,
            code: a.adjustment_code,
        };
        if !account.balances.is_empty() || !a.balances.is_sorted_by(|a, b| a.asset < b.asset) {
            return Err(format!("balances of account {id} are not in order"));
        }
        if !a.futures.is_sorted_by(|a, b| a.asset < b.asset) {
            return Err(format!("futures wallets of account {id} are not in order"));
        }
        for wallet in &a.futures {
            known("asset of a futures wallet", self.symbols.asset(AssetId(wallet.asset)))?;
            self.accounts.futures_mut(slot, AssetId(wallet.asset)).amount = Amount(wallet.amount);
        }
        for b in &a.balances {
            known("asset of a balance", self.symbols.asset(AssetId(b.asset)))?;
            self.accounts.restore_balance(slot, AssetId(b.asset), Amount(b.available), Amount(b.held));
        }
        Ok(())
    }

    fn restore_order(&mut self, o: &OrderImage) -> Checked<(u32, Place)> {
        let what = format!("order {}", o.order);
        let account = known(&format!("account of {what}"), self.accounts.find(AccountId(o.account)))?;
        let symbol = known(&format!("symbol of {what}"), self.symbols.get(SymbolId(o.symbol)))?;
        let parts = [o.filled, o.prevented, o.cut, o.remaining].iter().map(|&part| i128::from(part)).sum::<i128>();
        // The maximum may have been lowered below orders that rest.
        let in_book = (1..=MAX_AMOUNT).contains(&o.price) && o.remaining > 0;
        let terms = &symbol.terms;
        let bounded = crate::money::value(Price(o.price.max(0)), Qty(o.remaining.max(0)), terms.k).is_some()
            && o.remaining.checked_mul(terms.base_lot.0).is_some();
        let carry = (0..RATE_ONE).contains(&o.carry);
        let positive = [o.filled, o.prevented, o.cut, o.remaining, o.price, o.hold, o.display].iter().all(|&n| n >= 0);
        let counted = o.order < self.next_order && o.queue_sequence < self.next_queue;
        let place = known("an order's place", Place::from_code(o.place))?;
        let direction = match o.trigger_direction {
            0 => None,
            code => Some(known("a trigger direction", TriggerDirection::from_code(code))?),
        };
        let placed = match place {
            Place::Book => o.listed == 1 && in_book && (1..=o.remaining).contains(&o.shown),
            Place::Waiting => o.listed == 1 && direction.is_some() && (1..=MAX_AMOUNT).contains(&o.trigger),
            Place::Fired => o.listed == 1,
            Place::Working => true,
        };
        if o.order == 0 || !bounded || parts != i128::from(o.quantity) || !carry || !placed || !positive || !counted {
            return Err(format!("{what} is not consistent"));
        }
        let model = known("a fee model", FeeModel::from_code(o.fee_model))?;
        let rates = [o.taker, o.maker].into_iter();
        let fees = match model {
            FeeModel::Rate => rates.clone().all(is_fee_rate),
            FeeModel::PerLot => {
                rates.clone().all(|rate| rate != i64::MIN && rate.abs().checked_mul(o.remaining.max(1)).is_some())
            }
        };
        if !fees || o.stp == StpMode::Default.code() {
            return Err(format!("the terms of {what} are out of bounds"));
        }
        let order = Order {
            id: OrderId(o.order),
            price: Price(o.price),
            remaining: Qty(o.remaining),
            account,
            symbol: SymbolId(o.symbol),
            level: NIL,
            queue: Links::NONE,
            side: known("a side", Side::from_code(o.side))?,
            stp: known("an STP mode", StpMode::from_code(o.stp))?,
            order_type: known("an order type", OrderType::from_code(o.order_type))?,
            time_in_force: known("a time in force", TimeInForce::from_code(o.time_in_force))?,
            flags: o.flags,
            shown: Qty(o.shown),
            place: Place::Working,
            by_budget: o.by_budget == 1,
            direction,
            listed: false,
            hold: Amount(o.hold),
            carry: o.carry,
            terms: FeeTerms { model, taker: o.taker, maker: o.maker },
            filled: Qty(o.filled),
            cost: Amount(o.cost),
            fee: Amount(o.fee),
            quantity: Qty(o.quantity),
            prevented: Qty(o.prevented),
            cut: Qty(o.cut),
            session: SessionId(o.session),
            known: NIL,
            accepted: Sequence(o.accepted),
            queue_sequence: o.queue_sequence,
            of_account: Links::NONE,
            of_session: Links::NONE,
            trigger: Price(o.trigger),
            display: Qty(o.display),
            expire_at: TimestampNs(o.expire_at),
            margin_price: Price(o.margin_price),
            open_loss: o.open_loss,
            counted: false,
            by_mark: flag("by_mark", o.by_mark)?,
        };
        let request = Request {
            client_id: ClientOrderId(o.client_id),
            payload: o.payload,
            order: order.id,
            send_time: TimestampNs(o.send_time),
            account,
        };
        // The order of a liquidation's stage is nobody's request.
        if request.client_id == ClientOrderId::NONE && place == Place::Working {
            return Ok((self.orders.add_reserved(order), place));
        }
        if self.is_known(&request) || request.client_id == ClientOrderId::NONE {
            return Err(format!("{what} stands twice, or has no client id"));
        }
        let slot = self.orders.add(order);
        self.orders.get_mut(slot).known = self.dedupe.open(request, slot);
        Ok((slot, place))
    }

    fn restore_entry(&mut self, r: &RingImage) -> Checked<()> {
        let account = known("account of a ring entry", self.accounts.find(AccountId(r.account)))?;
        let reason = match r.reason {
            0 => None,
            code => Some(known("an end reason", EndReason::from_code(code))?),
        };
        let request = Request {
            client_id: ClientOrderId(r.client_id),
            payload: r.payload,
            order: OrderId(r.order),
            send_time: TimestampNs(r.send_time),
            account,
        };
        let outcome = Outcome {
            sequence: Sequence(r.sequence),
            filled: Qty(r.filled),
            remaining: Qty(r.remaining),
            cost: Amount(r.cost),
            fee: Amount(r.fee),
            code: r.code,
            state: known("an order state", OrderState::from_code(r.state))?,
            reason,
        };
        let full = self.accounts.get(account).dedupe.count >= (self.settings.dedupe_capacity / 16).max(1);
        if self.is_known(&request) || full {
            return Err(format!("ring entry of account {}: doubled or beyond its share", r.account));
        }
        self.dedupe.add(&mut self.accounts, request, outcome);
        Ok(())
    }

    fn is_known(&self, request: &Request) -> bool {
        let Request { account, client_id, order, .. } = *request;
        self.dedupe.find_client(account, client_id).is_some() || self.dedupe.find_order(order).is_some()
    }

    fn restore_work(&self, w: &WorkImage) -> Checked<Work> {
        let cause = Cause {
            origin: Origin { session: SessionId(w.session), key: KeyId(w.key), reserved: 0 },
            request: w.request,
            kind: known("the type of pending work", MessageType::from_code(w.kind))?,
            sequence: Sequence(w.sequence),
        };
        let id = |value: u64| u32::try_from(value).map_err(|_| "an id of pending work".to_owned());
        let task = match w.task {
            1 => {
                let taker = self.orders.slots().find(|&slot| self.orders.get(slot).id == OrderId(w.a));
                Task::Taker { slot: known("the taker of pending work", taker)? }
            }
            2 => Task::CancelAll {
                account: known("account of pending work", self.accounts.find(AccountId(id(w.a)?)))?,
                only: (w.b != 0).then_some(SymbolId(id(w.b)?)),
                side: Side::from_code(w.side),
                symbol: SymbolId(id(w.c)?),
                before: OrderId(w.e),
            },
            3 => Task::Session { session: SessionId(w.a), before: OrderId(w.e) },
            4 => Task::Expire { until: TimestampNs(w.a) },
            5 => Task::Loop { between: w.a == 1 },
            6..=9 => {
                let symbol = SymbolId(id(w.a)?);
                let contract = &known("the symbol of pending work", self.symbols.get(symbol))?.contract;
                let price = (1..=MAX_AMOUNT as u64).contains(&w.b).then_some(Price(w.b as i64));
                if contract.is_none() && (w.task > 7 || w.task == 7 && w.b != 0) {
                    return Err("pending work of a perpetual".into());
                }
                match w.task {
                    6 => Task::Uncross {
                        symbol,
                        price: Price(w.b as i64),
                        left: i128::from(w.c) | i128::from(w.d as i64) << 64,
                    },
                    7 if w.b == 0 => Task::Close { symbol, settle: None },
                    7 => Task::Close { symbol, settle: Some(known("a settlement price", price)?) },
                    8 => Task::Fund { symbol, rate: Rate(w.b as i64), from: AccountId(id(w.c)?) },
                    _ => Task::Settle { symbol, price: known("a settlement price", price)?, from: AccountId(id(w.c)?) },
                }
            }
            _ => return Err("a task of pending work".into()),
        };
        Ok(Work { cause, task })
    }
}
