//! What followers may ask of a state: books, balances, open orders, definitions. Never asked of the engine thread.

use crate::accounts::OwnFees;
use crate::dedupe::Known;
use crate::engine::Engine;
use crate::orders::{NIL, Place};
use crate::pending::Task;
use ringbook_wire::message::{Amend, Cancel, CancelAll, Continue, Message, NewOrder, SetStatus, SetSymbol, name_of};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, FeeModel, KeyId, OrderId, OrderState, OrderType, Price, Qty, Rate, Role,
    SessionId, Side, StpMode, SymbolId, SymbolKind, SymbolStatus, TimeInForce, TimestampNs, TradeId, TriggerDirection,
};

/// A wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceView {
    /// What.
    pub asset: AssetId,
    /// Free.
    pub available: Amount,
    /// Held by open orders.
    pub held: Amount,
}

/// An account's own rates for the symbols of a fee group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeesView {
    /// Of which symbols.
    pub fee_group: u16,
    /// Taker fee.
    pub taker: Rate,
    /// Maker fee; negative is a rebate.
    pub maker: Rate,
}

/// An open order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of STATE_ORDER")]
pub struct OrderView {
    pub order: OrderId,
    pub account: AccountId,
    pub symbol: SymbolId,
    pub client_id: ClientOrderId,
    pub side: Side,
    pub order_type: OrderType,
    pub time_in_force: TimeInForce,
    pub stp: StpMode,
    pub flags: u16,
    pub state: OrderState,
    pub price: Price,
    /// `orig`.
    pub quantity: Qty,
    pub remaining: Qty,
    pub filled: Qty,
    pub prevented: Qty,
    pub cut: Qty,
    pub cost: Amount,
    pub fee: Amount,
    pub hold: Amount,
    /// For a quote budget: its hold is what is left of it.
    pub by_budget: bool,
    pub send_time: TimestampNs,
    pub trigger: Price,
    pub direction: Option<TriggerDirection>,
    /// Waits for the mark, not for the last price.
    pub by_mark: bool,
    pub display: Qty,
    pub expire_at: TimestampNs,
}

/// A symbol's definition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of SET_SYMBOL")]
pub struct SymbolView {
    pub symbol: SymbolId,
    pub name: String,
    pub base: AssetId,
    pub quote: AssetId,
    pub base_lot: Amount,
    pub quote_per_tick_lot: Amount,
    pub status: SymbolStatus,
    /// Price of the last trade; 0 before the first.
    pub last: Price,
    pub fee_group: u16,
    pub fee_model: FeeModel,
    pub taker: Rate,
    pub maker: Rate,
    pub min_price: Price,
    pub max_price: Price,
    pub min_quantity: Qty,
    pub max_quantity: Qty,
    pub max_market_quantity: Qty,
    pub min_notional: Amount,
    pub max_notional: Amount,
    pub band: Rate,
    pub slip: Rate,
    pub max_open_orders: u32,
    pub max_trigger_orders: u32,
    pub stp: StpMode,
    pub kind: SymbolKind,
}

/// A key, as the gateway needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of SET_KEY")]
pub struct KeyView {
    pub key: KeyId,
    pub role: Role,
    pub revoked: bool,
    pub first_account: AccountId,
    pub last_account: AccountId,
    pub public_key: [u8; 32],
}

impl Engine {
    /// The best `depth` levels of a side: price and open quantity, best first.
    pub fn depth(&self, symbol: SymbolId, side: Side, depth: usize) -> Vec<(Price, i128)> {
        let Some(symbol) = self.symbols.get(symbol) else {
            return Vec::new();
        };
        symbol.book.levels(side).take(depth).map(|level| (level.price, level.total)).collect()
    }

    /// Open quantity at one price of a side.
    pub fn level_total(&self, symbol: SymbolId, side: Side, price: Price) -> i128 {
        self.symbols.get(symbol).map_or(0, |symbol| symbol.book.total_at(side, price))
    }

    /// A symbol by name.
    pub fn symbol_named(&self, name: &str) -> Option<SymbolId> {
        self.symbols.all().find(|symbol| name_of(&symbol.terms.name) == Some(name)).map(|symbol| symbol.id)
    }

    /// All symbols by id.
    pub fn symbols(&self) -> Vec<SymbolView> {
        let view = |symbol: &crate::symbols::Symbol| SymbolView {
            symbol: symbol.id,
            name: name_of(&symbol.terms.name).unwrap_or_default().to_owned(),
            base: symbol.terms.base,
            quote: symbol.terms.quote,
            base_lot: symbol.terms.base_lot,
            quote_per_tick_lot: symbol.terms.k,
            status: symbol.status,
            last: symbol.last,
            fee_group: symbol.terms.fee_group,
            fee_model: symbol.terms.fees.model,
            taker: Rate(symbol.terms.fees.taker),
            maker: Rate(symbol.terms.fees.maker),
            min_price: symbol.terms.min_price,
            max_price: symbol.terms.max_price,
            min_quantity: symbol.terms.min_quantity,
            max_quantity: symbol.terms.max_quantity,
            max_market_quantity: symbol.terms.max_market_quantity,
            min_notional: symbol.terms.min_notional,
            max_notional: symbol.terms.max_notional,
            band: symbol.terms.band,
            slip: symbol.terms.slip,
            max_open_orders: symbol.terms.max_open_orders,
            max_trigger_orders: symbol.terms.max_trigger_orders,
            stp: symbol.terms.stp,
            kind: symbol.terms.kind,
        };
        self.symbols.all().map(view).collect()
    }

    /// All assets by id: name and scale.
    pub fn assets(&self) -> Vec<(AssetId, String, u8)> {
        let view = |(id, asset): (AssetId, &crate::symbols::Asset)| {
            (id, name_of(&asset.name).unwrap_or_default().to_owned(), asset.scale)
        };
        self.symbols.assets().map(view).collect()
    }

    /// All keys by id.
    pub fn keys(&self) -> Vec<KeyView> {
        let view = |(key, k): (KeyId, &crate::keys::Key)| KeyView {
            key,
            role: k.role,
            revoked: k.revoked,
            first_account: k.first_account,
            last_account: k.last_account,
            public_key: k.public_key,
        };
        self.keys.all().map(view).collect()
    }

    /// All accounts, ascending.
    pub fn account_ids(&self) -> Vec<AccountId> {
        let mut ids: Vec<AccountId> = self.accounts.all().iter().map(|account| account.id).collect();
        ids.sort_unstable();
        ids
    }

    /// An account's wallets by asset, or `None` if there is no such account.
    pub fn balances(&self, account: AccountId) -> Option<Vec<BalanceView>> {
        let account = self.accounts.get(self.accounts.find(account)?);
        Some(
            account
                .balances
                .iter()
                .map(|b| BalanceView { asset: b.asset, available: b.available, held: b.held })
                .collect(),
        )
    }

    /// An account's own fee rates by fee group; none for an account that does not exist.
    pub fn account_fees(&self, account: AccountId) -> Vec<FeesView> {
        let Some(slot) = self.accounts.find(account) else {
            return Vec::new();
        };
        let view = |own: &OwnFees| FeesView { fee_group: own.group, taker: Rate(own.taker), maker: Rate(own.maker) };
        self.accounts.get(slot).fees.iter().map(view).collect()
    }

    /// An account's STP group (0: none), and whether it is suspended.
    pub fn account_terms(&self, account: AccountId) -> (u32, bool) {
        let slot = self.accounts.find(account);
        slot.map_or((0, false), |slot| (self.accounts.get(slot).group, self.accounts.get(slot).suspended))
    }

    /// The accounts of an STP group, ascending.
    pub fn accounts_of_group(&self, group: u32) -> Vec<AccountId> {
        let mut ids: Vec<AccountId> =
            self.accounts.members(group).iter().map(|&slot| self.accounts.get(slot).id).collect();
        ids.sort_unstable();
        ids
    }

    /// Whether the whole exchange is CANCEL_ONLY.
    pub fn in_maintenance(&self) -> bool {
        self.maintenance
    }

    /// Trades that were taken back, ascending.
    pub fn busted(&self) -> impl Iterator<Item = TradeId> {
        self.busted.iter().map(|&trade| TradeId(trade))
    }

    /// An account's last adjustment number.
    pub fn last_adjustment(&self, account: AccountId) -> u64 {
        self.accounts.find(account).map_or(0, |slot| self.accounts.get(slot).adjustment.number)
    }

    /// An account's open orders by rising order id.
    pub fn open_orders(&self, account: AccountId) -> Vec<OrderView> {
        let Some(slot) = self.accounts.find(account) else {
            return Vec::new();
        };
        let mut orders = Vec::new();
        // An order in the middle of its first match is in no list yet.
        for work in &self.work {
            if let Task::Taker { slot: taker } = work.task
                && self.orders.get(taker).account == slot
                && self.orders.get(taker).known != NIL
                && !self.orders.get(taker).listed
            {
                orders.push(self.order_view(taker));
            }
        }
        for open in &self.accounts.get(slot).symbols {
            for list in open.orders {
                let mut at = list.head;
                while at != NIL {
                    orders.push(self.order_view(at));
                    at = self.orders.get(at).of_account.next;
                }
            }
        }
        orders.sort_unstable_by_key(|order| order.order);
        orders
    }

    /// How many orders are open.
    pub fn open_order_count(&self) -> usize {
        self.orders.len()
    }

    /// An open order by id.
    pub fn open_order(&self, order: OrderId) -> Option<OrderView> {
        match self.dedupe.find_order(order)? {
            Known::Open(slot) => Some(self.order_view(slot)),
            Known::Ended(_) => None,
        }
    }

    /// The symbol that a command concerns, as far as this state knows; 0 if it is none or several.
    pub fn symbol_of(&self, message: &[u8]) -> SymbolId {
        let of_named = |account, order, client_id| {
            let known = self.accounts.find(account).and_then(|account| self.find_named(account, order, client_id));
            match known {
                Some(Known::Open(slot)) => self.orders.get(slot).symbol,
                _ => SymbolId(0),
            }
        };
        if let Some(m) = NewOrder::read(message) {
            m.symbol
        } else if let Some(m) = Cancel::read(message) {
            of_named(m.account, m.order, m.client_id)
        } else if let Some(m) = Amend::read(message) {
            of_named(m.account, m.order, m.client_id)
        } else if let Some(m) = CancelAll::read(message) {
            m.symbol
        } else if let Some(m) = SetSymbol::read(message) {
            m.symbol
        } else if let Some(m) = SetStatus::read(message) {
            m.symbol
        } else if Continue::read(message).is_some() {
            match self.work.front().map(|work| work.task) {
                Some(Task::Taker { slot }) => self.orders.get(slot).symbol,
                Some(Task::CancelAll { only, .. }) => only.unwrap_or(SymbolId(0)),
                Some(Task::Loop { .. }) => match (&self.liquidation, self.fired.front()) {
                    (Some(liquidation), _) => liquidation.symbol,
                    (None, Some(&slot)) => self.orders.get(slot).symbol,
                    (None, None) => SymbolId(0),
                },
                Some(
                    Task::Uncross { symbol, .. }
                    | Task::Close { symbol, .. }
                    | Task::Fund { symbol, .. }
                    | Task::Settle { symbol, .. },
                ) => symbol,
                _ => SymbolId(0),
            }
        } else {
            SymbolId(0)
        }
    }

    /// Sessions that own orders with the cancel-on-disconnect flag, ascending.
    pub fn flagged_sessions(&self) -> Vec<SessionId> {
        self.sessions.ids().collect()
    }

    pub(crate) fn order_view(&self, slot: u32) -> OrderView {
        let order = self.orders.get(slot);
        let request = self.dedupe.request(order.known);
        let waits = matches!(order.place, Place::Waiting | Place::Fired);
        OrderView {
            order: order.id,
            account: self.accounts.get(order.account).id,
            symbol: order.symbol,
            client_id: request.client_id,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            stp: order.stp,
            flags: order.flags,
            state: order.open_state(),
            price: order.price,
            quantity: order.quantity,
            remaining: order.remaining,
            filled: order.filled,
            prevented: order.prevented,
            cut: order.cut,
            cost: order.cost,
            fee: order.fee,
            hold: order.hold,
            by_budget: order.by_budget,
            send_time: request.send_time,
            trigger: if waits { order.trigger } else { Price::ZERO },
            direction: order.direction.filter(|_| waits),
            by_mark: order.by_mark && waits,
            display: order.display,
            expire_at: order.expire_at,
        }
    }
}
