//! Questions that the shadow's state answers.

use super::{Book, QueryError, Shadow};
use ringbook_core::{BalanceView, FeesView, KeyView, OrderView, SymbolView};
use ringbook_wire::{AccountId, AssetId, SessionId, SymbolStatus};

/// An account after exactly `sequence` (docs/PROTOCOL.md §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// The state is the one after exactly this sequence.
    pub sequence: u64,
    /// Term of that frame.
    pub term: u32,
    /// Engine time of that frame in nanoseconds.
    pub time: u64,
    /// Whether there is such an account.
    pub exists: bool,
    /// Last adjustment number.
    pub adjustment: u64,
    /// STP group; 0 is none.
    pub group: u32,
    /// Whether it may only cancel and deposit.
    pub suspended: bool,
    /// Its own fee rates, by fee group.
    pub fees: Vec<FeesView>,
    /// Wallets by asset.
    pub balances: Vec<BalanceView>,
    /// Open orders by id.
    pub orders: Vec<OrderView>,
}

/// A symbol with what a person wants to see beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolInfo {
    /// Definition and status.
    pub view: SymbolView,
    /// Best buy price, if there is one.
    pub bid: Option<i64>,
    /// Best sell price, if there is one.
    pub ask: Option<i64>,
}

impl Shadow {
    /// The best `depth` levels of a symbol's book after exactly `sequence` (`None`: now).
    ///
    /// # Errors
    /// No such symbol; the sequence is not reached, or too far back.
    pub fn book_at(&self, symbol: &str, depth: usize, sequence: Option<u64>) -> Result<Book, QueryError> {
        self.books.book(self.engine(), symbol, depth, sequence.unwrap_or(self.sequence()))
    }

    /// An account's state, also of one that does not exist.
    pub fn account_state(&self, account: AccountId) -> AccountState {
        let engine = self.engine();
        let balances = engine.balances(account);
        let (group, suspended) = engine.account_terms(account);
        AccountState {
            sequence: self.sequence(),
            term: self.term(),
            time: engine.time().0,
            exists: balances.is_some(),
            adjustment: engine.last_adjustment(account),
            group,
            suspended,
            fees: engine.account_fees(account),
            balances: balances.unwrap_or_default(),
            orders: engine.open_orders(account),
        }
    }

    /// The accounts of an STP group, ascending.
    ///
    /// # Errors
    /// Nobody is in it; 0 is no group.
    pub fn accounts_of_group(&self, group: u32) -> Result<Vec<AccountId>, QueryError> {
        let accounts = if group == 0 { Vec::new() } else { self.engine().accounts_of_group(group) };
        if accounts.is_empty() { Err(QueryError::UnknownGroup(group)) } else { Ok(accounts) }
    }

    /// The status of the whole exchange: CANCEL_ONLY in maintenance.
    pub fn exchange_status(&self) -> SymbolStatus {
        if self.engine().in_maintenance() { SymbolStatus::CancelOnly } else { SymbolStatus::Trading }
    }

    /// All symbols by id.
    pub fn symbols(&self) -> Vec<SymbolInfo> {
        let best =
            |view: &SymbolView, side| self.engine().depth(view.symbol, side, 1).first().map(|(price, _)| price.0);
        let info = |view: SymbolView| SymbolInfo {
            bid: best(&view, ringbook_wire::Side::Buy),
            ask: best(&view, ringbook_wire::Side::Sell),
            view,
        };
        self.engine().symbols().into_iter().map(info).collect()
    }

    /// All assets by id: name and scale.
    pub fn assets(&self) -> Vec<(AssetId, String, u8)> {
        self.engine().assets()
    }

    /// All keys by id: for the gateway's logons.
    pub fn keys(&self) -> Vec<KeyView> {
        self.engine().keys()
    }

    /// Sessions that own orders with the cancel-on-disconnect flag.
    pub fn flagged_sessions(&self) -> Vec<SessionId> {
        self.engine().flagged_sessions()
    }

    /// BLAKE3 over the canonical encoding of the state.
    pub fn state_hash(&self) -> [u8; 32] {
        self.engine().state_hash()
    }
}
