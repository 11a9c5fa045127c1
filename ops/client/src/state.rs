//! The answer to a STATE_REQUEST, put together (PROTOCOL §6).

use ringbook_wire::Wallet;
use ringbook_wire::report::{StateBalance, StateBegin, StateEnd, StateOrder, StatePosition};

/// An account after exactly one sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// Sequence, time, term, account, whether it exists.
    pub begin: StateBegin,
    /// Balances by asset, spot wallets first.
    pub balances: Vec<StateBalance>,
    /// Records in perpetuals by symbol.
    pub positions: Vec<StatePosition>,
    /// Open orders by rising order id.
    pub orders: Vec<StateOrder>,
}

impl AccountState {
    /// Whether the account exists.
    pub fn exists(&self) -> bool {
        self.begin.exists == 1
    }

    /// Free and held units of an asset in the spot wallet; zeros if there is none.
    pub fn balance(&self, asset: u32) -> (i64, i64) {
        self.balances
            .iter()
            .find(|balance| balance.asset.0 == asset && balance.wallet == Wallet::Spot.code())
            .map_or((0, 0), |balance| (balance.available.0, balance.held.0))
    }

    /// Units of an asset in the futures wallet; 0 if there is none.
    pub fn futures(&self, asset: u32) -> i64 {
        let wallet = self.balances.iter().find(|b| b.asset.0 == asset && b.wallet == Wallet::Futures.code());
        wallet.map_or(0, |balance| balance.available.0)
    }

    /// The record in a perpetual, if there is one.
    pub fn position(&self, symbol: u32) -> Option<&StatePosition> {
        self.positions.iter().find(|position| position.symbol.0 == symbol)
    }

    /// Whether the end of the answer fits what came before it.
    pub(crate) fn is_complete(&self, end: &StateEnd) -> bool {
        end.sequence == self.begin.sequence
            && end.balances as usize == self.balances.len()
            && end.orders as usize == self.orders.len()
            && end.positions as usize == self.positions.len()
    }
}
