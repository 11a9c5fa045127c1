//! SET_ASSET, SET_SYMBOL, SET_ACCOUNT, SET_KEY (DOMAIN §1, §2; EVENTS "Configuration").
//!
//! Invariants: what EVENTS calls fixed never changes; no name is used twice; every stored symbol obeys the bounds.

use crate::Oracle;
use crate::money::{BOUND, R};
use crate::state::{Account, Asset, Key, Symbol};
use ringbook_event::Origin;
use ringbook_wire::message::{self, MessageType, name_of};
use ringbook_wire::{AccountId, FeeModel, RejectCode, Role, StpMode, SymbolKind, SymbolStatus};

/// Refuses with 603 unless `consistent`.
pub fn require(consistent: bool) -> Result<(), RejectCode> {
    if consistent { Ok(()) } else { Err(RejectCode::BadConfig) }
}

/// Refuses with 100 unless all reserved bytes are 0.
pub fn require_zero(reserved_are_zero: bool) -> Result<(), RejectCode> {
    if reserved_are_zero { Ok(()) } else { Err(RejectCode::BadRequest) }
}

/// Whether a product of positive numbers is at most 2^62.
pub fn product_in_bounds(factors: &[i128]) -> bool {
    let product = factors.iter().try_fold(1_i128, |product, &factor| product.checked_mul(factor));
    product.is_some_and(|product| product <= BOUND)
}

impl Oracle {
    pub(crate) fn set_asset(&mut self, origin: Origin, m: &message::SetAsset) -> Result<(), RejectCode> {
        require_zero(m.reserved == [0; 3])?;
        self.authorise(origin, None, &[Role::Admin])?;
        let id = m.asset.0;
        require(id != 0 && m.scale <= 12 && name_of(&m.name).is_some())?;
        require(self.assets.iter().all(|(&other, asset)| other == id || asset.name != m.name))?;
        if let Some(known) = self.assets.get(&id) {
            require(known.scale == m.scale && known.name == m.name)?;
        }
        self.assets.insert(id, Asset { name: m.name, scale: m.scale });
        self.push_config(MessageType::SetAsset, id);
        Ok(())
    }

    pub(crate) fn set_symbol(&mut self, origin: Origin, m: &message::SetSymbol) -> Result<(), RejectCode> {
        require_zero(m.reserved == [0; 6] && m.reserved2 == [0; 3])?;
        self.authorise(origin, None, &[Role::Admin])?;
        let id = m.symbol.0;
        let known = self.symbols.get(&id);
        require(known.is_none_or(|known| known.perpetual.is_none()))?;
        let symbol = self.consistent_symbol(m, known, SymbolKind::Spot)?;
        self.symbols.insert(id, symbol);
        self.push_config(MessageType::SetSymbol, id);
        Ok(())
    }

    /// The symbol of a SET_SYMBOL, or of the same part of a SET_PERPETUAL, or 603. Status and last price of a known one
    /// stay.
    pub(crate) fn consistent_symbol(
        &self,
        m: &message::SetSymbol,
        known: Option<&Symbol>,
        kind: SymbolKind,
    ) -> Result<Symbol, RejectCode> {
        let bad = RejectCode::BadConfig;
        require(m.symbol.0 != 0 && name_of(&m.name).is_some())?;
        require(SymbolKind::from_code(m.kind) == Some(kind))?;
        require(self.assets.contains_key(&m.base.0) && self.assets.contains_key(&m.quote.0) && m.base != m.quote)?;
        let stp = StpMode::from_code(m.stp).filter(|&stp| stp != StpMode::Default).ok_or(bad)?;
        let status = match known {
            Some(known) => known.status,
            None => SymbolStatus::from_code(m.status).filter(|&status| status != SymbolStatus::Closed).ok_or(bad)?,
        };
        let symbol = Symbol {
            name: m.name,
            base: m.base.0,
            quote: m.quote.0,
            fee_group: m.fee_group,
            fee_model: FeeModel::from_code(m.fee_model).ok_or(bad)?,
            base_lot: i128::from(m.base_lot.0),
            quote_per_tick_lot: i128::from(m.quote_per_tick_lot.0),
            min_price: i128::from(m.min_price.0),
            max_price: i128::from(m.max_price.0),
            min_quantity: i128::from(m.min_quantity.0),
            max_quantity: i128::from(m.max_quantity.0),
            max_market_quantity: i128::from(m.max_market_quantity.0),
            min_notional: i128::from(m.min_notional.0),
            max_notional: i128::from(m.max_notional.0),
            band: i128::from(m.band.0),
            slip: i128::from(m.slip.0),
            taker: i128::from(m.taker.0),
            maker: i128::from(m.maker.0),
            max_open_orders: m.max_open_orders,
            max_trigger_orders: m.max_trigger_orders,
            stp,
            status,
            last: known.and_then(|known| known.last),
            perpetual: None,
        };
        check_limits(&symbol)?;
        check_rates(&symbol)?;
        require(self.symbols.iter().all(|(&other, symbol)| other == m.symbol.0 || symbol.name != m.name))?;
        if let Some(known) = known {
            let same = known.name == symbol.name
                && known.base == symbol.base
                && known.quote == symbol.quote
                && known.base_lot == symbol.base_lot
                && known.quote_per_tick_lot == symbol.quote_per_tick_lot
                && known.fee_model == symbol.fee_model;
            require(same)?;
        }
        Ok(symbol)
    }

    pub(crate) fn set_account(&mut self, origin: Origin, m: &message::SetAccount) -> Result<(), RejectCode> {
        require_zero(m.reserved == [0; 7])?;
        self.authorise(origin, None, &[Role::Admin])?;
        require(m.account >= AccountId::FIRST_CUSTOMER && m.suspended <= 1)?;
        let account: &mut Account = self.accounts.entry(m.account.0).or_default();
        account.group = m.group;
        account.suspended = m.suspended == 1;
        self.push_config(MessageType::SetAccount, m.account.0);
        Ok(())
    }

    pub(crate) fn set_fees(&mut self, origin: Origin, m: &message::SetFees) -> Result<(), RejectCode> {
        require_zero(m.reserved == 0)?;
        self.authorise(origin, None, &[Role::Admin])?;
        let (taker, maker) = (i128::from(m.taker.0), i128::from(m.maker.0));
        require(m.account >= AccountId::FIRST_CUSTOMER && m.removed <= 1 && is_fee_rate(taker) && is_fee_rate(maker))?;
        let account = self.accounts.get_mut(&m.account.0).ok_or(RejectCode::BadConfig)?;
        if m.removed == 1 {
            account.fees.remove(&m.fee_group);
        } else {
            account.fees.insert(m.fee_group, (taker, maker));
        }
        self.push_config(MessageType::SetFees, m.account.0);
        Ok(())
    }

    /// Taker and maker rate of an account's new order: its own for the symbol's fee group, or the symbol's.
    pub(crate) fn rates_of(&self, account: u32, symbol: &Symbol) -> (i128, i128) {
        let own = match symbol.fee_model {
            FeeModel::Rate => self.accounts[&account].fees.get(&symbol.fee_group),
            FeeModel::PerLot => None,
        };
        own.copied().unwrap_or((symbol.taker, symbol.maker))
    }

    pub(crate) fn set_key(&mut self, origin: Origin, m: &message::SetKey) -> Result<(), RejectCode> {
        require_zero(m.reserved == [0; 2] && m.reserved2 == 0)?;
        self.authorise(origin, None, &[Role::Admin])?;
        let role = Role::from_code(m.role).ok_or(RejectCode::BadConfig)?;
        require(m.key.0 != 0 && m.first_account <= m.last_account && m.revoked <= 1)?;
        let (first_account, last_account) = (m.first_account.0, m.last_account.0);
        self.keys.insert(m.key.0, Key { role, revoked: m.revoked == 1, first_account, last_account });
        self.push_config(MessageType::SetKey, m.key.0);
        Ok(())
    }
}

/// Lots, limits and the bounds of DOMAIN §1.
fn check_limits(symbol: &Symbol) -> Result<(), RejectCode> {
    require(symbol.base_lot >= 1 && symbol.quote_per_tick_lot >= 1)?;
    require(1 <= symbol.min_price && symbol.min_price <= symbol.max_price)?;
    require(1 <= symbol.min_quantity && symbol.min_quantity <= symbol.max_quantity)?;
    require(symbol.min_quantity <= symbol.max_market_quantity && symbol.max_market_quantity <= symbol.max_quantity)?;
    require(symbol.min_notional >= 0 && symbol.max_notional >= 0)?;
    require(symbol.max_notional == 0 || symbol.min_notional <= symbol.max_notional)?;
    require(product_in_bounds(&[symbol.max_price, symbol.max_quantity, symbol.quote_per_tick_lot]))?;
    require(product_in_bounds(&[symbol.max_quantity, symbol.base_lot]))
}

/// Rates; a fee per lot is no rate and has bounds of its own (DOMAIN §3.3).
/// A fee below the value, a rebate below half of it.
fn is_fee_rate(rate: i128) -> bool {
    -R / 2 < rate && rate < R
}

fn check_rates(symbol: &Symbol) -> Result<(), RejectCode> {
    require((0..R).contains(&symbol.band) && (0..R).contains(&symbol.slip))?;
    for fee in [symbol.taker, symbol.maker] {
        let in_bounds = match symbol.fee_model {
            FeeModel::Rate => is_fee_rate(fee),
            FeeModel::PerLot => {
                fee.abs() < symbol.min_price * symbol.quote_per_tick_lot
                    && product_in_bounds(&[fee.abs(), symbol.max_quantity])
            }
        };
        require(in_bounds)?;
    }
    Ok(())
}
