//! SET_LEVERAGE: margin mode and leverage of an account in a perpetual (DOMAIN §6.1, PERPETUAL).
//!
//! Invariant: the mode, and the leverage of an isolated symbol, change only without position and orders.

use super::state::Position;
use crate::Oracle;
use crate::configure::require_zero;
use ringbook_event::Origin;
use ringbook_wire::message::{MessageType, SetLeverage};
use ringbook_wire::{MarginMode, RejectCode, Role};

impl Oracle {
    pub(crate) fn set_leverage(&mut self, origin: Origin, m: &SetLeverage) -> Result<(), RejectCode> {
        require_zero(m.reserved == [0; 3])?;
        let mode = MarginMode::from_code(m.mode).ok_or(RejectCode::BadRequest)?;
        self.authorise(origin, Some(m.account.0), &[Role::Trade])?;
        self.require_customer(m.account)?;
        if self.accounts[&m.account.0].suspended {
            return Err(RejectCode::AccountSuspended);
        }
        self.require_open_perpetual(m.symbol.0)?;
        self.check_maintenance()?;
        let position = self.position(m.account.0, m.symbol.0);
        let changed = Position { mode, leverage: i128::from(m.leverage), ..position };
        self.check_leverage(m.account.0, m.symbol.0, &changed)?;
        self.positions.insert((m.account.0, m.symbol.0), changed);
        self.push_config(MessageType::SetLeverage, m.account.0);
        Ok(())
    }

    /// 301, 302, 503, 504.
    fn check_leverage(&self, account: u32, symbol: u32, changed: &Position) -> Result<(), RejectCode> {
        let (position, terms) = (self.position(account, symbol), self.terms_of(symbol));
        let is_in_range = 1 <= changed.leverage && changed.leverage <= terms.max_leverage;
        let mode_changes = position.mode != changed.mode;
        let leverage_changes = position.leverage != changed.leverage;
        let stays_cross = !position.is_isolated() && !changed.is_isolated();
        if stays_cross && is_in_range {
            let asset = self.symbols[&symbol].quote;
            let weights = self.weights(account, asset, None);
            let before = self.initial_margin(account, symbol, position.leverage, &weights);
            let after = self.initial_margin(account, symbol, changed.leverage, &weights);
            let in_use = self.in_use(account, asset, &weights) - before + after;
            if after > before && self.cross_equity(account, asset) < in_use {
                return Err(RejectCode::InsufficientMargin);
            }
            let (_, tier) = terms.tier(self.larger_side(account, symbol, &weights));
            if changed.leverage > position.leverage && tier.leverage < changed.leverage {
                return Err(RejectCode::TierLeverage);
            }
        }
        let has_orders = self.orders.values().any(|order| order.account == account && order.symbol == symbol);
        let is_fixed = mode_changes || position.is_isolated() && leverage_changes;
        if is_fixed && (position.quantity != 0 || has_orders) {
            return Err(RejectCode::HasPositionOrOrders);
        }
        if is_in_range { Ok(()) } else { Err(RejectCode::LeverageRange) }
    }
}
