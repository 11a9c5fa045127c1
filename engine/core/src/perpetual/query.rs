//! Questions about perpetuals, for followers (HTTP, state messages, tools): positions, margin, contracts.

use super::margin::{unrealized, value_of};
use super::positions::{Position, State};
use super::prices::{Backed, liquidation_price};
use super::work_loop::Bucket;
use crate::engine::Engine;
use crate::orders::NIL;
use ringbook_wire::{AccountId, Amount, AssetId, MarginMode, Price, Qty, Rate, SymbolId, TimestampNs};

/// A position (DOMAIN §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionView {
    /// Whose.
    pub account: AccountId,
    /// In which perpetual.
    pub symbol: SymbolId,
    /// What backs it.
    pub mode: MarginMode,
    /// Leverage.
    pub leverage: u32,
    /// Lots; negative is short.
    pub quantity: Qty,
    /// Signed value paid for them.
    pub cost: Amount,
    /// Its own margin, if isolated.
    pub margin: Amount,
    /// Largest position that this account may have; 0: the symbol's.
    pub limit: Qty,
    /// Gain against the mark that is not realised.
    pub unrealized: i128,
    /// Maintenance margin at the mark.
    pub maintenance: i128,
    /// First mark at which its bucket is liquidated, all else unchanged; 0 without lots, if there is no such mark, and for
    /// the insurance fund, which is never liquidated.
    pub liquidation: Price,
    /// Price at which nothing of its bucket is left; 0 without lots.
    pub bankruptcy: Price,
}

/// An account's margin in a settlement asset (DOMAIN §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarginView {
    /// Settlement asset.
    pub asset: AssetId,
    /// Futures wallet.
    pub wallet: Amount,
    /// Wallet and gains of cross positions.
    pub equity: i128,
    /// Held by positions and orders.
    pub used: i128,
    /// Maintenance margin of the cross positions.
    pub maintenance: i128,
    /// What new orders may use.
    pub available: i128,
    /// What may leave the wallet.
    pub transferable: i128,
}

/// What a perpetual has beyond a spot symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractView {
    /// Which.
    pub symbol: SymbolId,
    /// Mark; 0 before the first.
    pub mark: Price,
    /// Its feed time.
    pub feed_time: TimestampNs,
    /// Whether it is fresh at the engine's time.
    pub fresh: bool,
    /// Number of the last funding.
    pub funding_index: u64,
    /// When the next one is due.
    pub funding_due: TimestampNs,
    /// Only what does not increase exposure.
    pub reduce_only: bool,
    /// Sum of all long positions.
    pub open_interest: Qty,
    /// Largest position and open interest.
    pub max_position: Qty,
    /// Highest leverage.
    pub max_leverage: u32,
    /// How long a mark is fresh.
    pub mark_max_age: u64,
    /// Jump limit of marks.
    pub mark_jump: Rate,
    /// Offers that confirm a jump.
    pub mark_confirmations: u16,
    /// Time between fundings.
    pub funding_interval: u64,
    /// Cap of the funding rate.
    pub funding_cap: Rate,
    /// Liquidation fee.
    pub liquidation_fee: Rate,
    /// Notional that the fund may hold, as a multiple of its cash.
    pub fund_multiple: Rate,
    /// Cap, maintenance rate, amount, highest leverage of each tier.
    pub tiers: Vec<(Amount, Rate, Amount, u32)>,
}

impl Engine {
    /// An account's records in perpetuals, ascending by symbol.
    pub fn positions(&self, account: AccountId) -> Vec<PositionView> {
        let Some(slot) = self.accounts.find(account) else { return Vec::new() };
        let records = self.accounts.get(slot).symbols.iter().map(|open| open.position);
        records.filter(|&record| record != NIL).map(|record| self.position_view(record)).collect()
    }

    /// The positions with lots of a perpetual, ascending by account.
    pub fn positions_in(&self, symbol: SymbolId) -> Vec<PositionView> {
        if !self.is_perpetual(symbol) {
            return Vec::new();
        }
        let holders = self.contract(symbol).holders.values();
        let held = holders.filter(|&&record| self.positions.get(record).state.quantity != 0);
        held.map(|&record| self.position_view(record)).collect()
    }

    fn position_view(&self, record: u32) -> PositionView {
        let position = self.positions.get(record);
        let (contract, k) = (self.contract(position.symbol), self.symbols.at(position.symbol).terms.k);
        let held = position.state.quantity != 0;
        let bucket =
            if position.is_isolated() { Bucket::Isolated(position.symbol) } else { Bucket::Cross(position.asset) };
        PositionView {
            account: position.owner,
            symbol: position.symbol,
            mode: position.state.mode,
            leverage: self.position_or_new(position.account, position.symbol).state.leverage,
            quantity: Qty(position.state.quantity),
            cost: position.state.cost,
            margin: position.state.margin,
            limit: Qty(position.limit),
            unrealized: unrealized(position, contract.mark, k),
            maintenance: if held { contract.terms.maintenance(value_of(position, contract.mark, k)) } else { 0 },
            liquidation: match held && !position.owner.is_system() {
                true => self.liquidation_price(bucket, position),
                false => Price::ZERO,
            },
            bankruptcy: match held {
                true => self.bankruptcy_price(position.account, bucket, position),
                false => Price::ZERO,
            },
        }
    }

    /// Liquidation price of a position with lots: what it leaves of its bucket's equity and maintenance margin is S.
    fn liquidation_price(&self, bucket: Bucket, position: &Position) -> Price {
        let (contract, k) = (self.contract(position.symbol), self.symbols.at(position.symbol).terms.k);
        let health = self.health(position.account, bucket);
        let equity = health.equity - unrealized(position, contract.mark, k);
        let maintenance = health.maintenance - contract.terms.maintenance(value_of(position, contract.mark, k));
        let State { quantity, cost, .. } = position.state;
        liquidation_price(&Backed { quantity, cost, backing: equity - maintenance }, k, &contract.terms)
    }

    /// An account's margin in each asset of its futures wallets, ascending by asset.
    pub fn margins(&self, account: AccountId) -> Vec<MarginView> {
        let Some(slot) = self.accounts.find(account) else { return Vec::new() };
        let wallets = self.accounts.get(slot).futures.iter();
        wallets
            .map(|wallet| {
                let margin = self.margin(slot, wallet.asset, None);
                MarginView {
                    asset: wallet.asset,
                    wallet: wallet.amount,
                    equity: margin.equity,
                    used: margin.used,
                    maintenance: self.health(slot, Bucket::Cross(wallet.asset)).maintenance,
                    available: (margin.equity - margin.used).max(0),
                    transferable: margin.transferable(),
                }
            })
            .collect()
    }

    /// What a perpetual has beyond a spot symbol.
    pub fn contract_view(&self, symbol: SymbolId) -> Option<ContractView> {
        let contract = self.symbols.get(symbol)?.contract.as_ref()?;
        let terms = &contract.terms;
        Some(ContractView {
            symbol,
            mark: contract.mark,
            feed_time: contract.feed_time,
            fresh: contract.is_fresh(self.time),
            funding_index: contract.funding_index,
            funding_due: contract.funding_due,
            reduce_only: contract.reduce_only,
            open_interest: Qty(contract.open_interest),
            max_position: terms.max_position,
            max_leverage: terms.max_leverage,
            mark_max_age: terms.mark_max_age,
            mark_jump: terms.mark_jump,
            mark_confirmations: terms.mark_confirmations,
            funding_interval: terms.funding_interval,
            funding_cap: terms.funding_cap,
            liquidation_fee: terms.liquidation_fee,
            fund_multiple: terms.fund_multiple,
            tiers: terms.tiers().iter().map(|t| (t.cap, t.rate, t.amount, t.max_leverage)).collect(),
        })
    }
}
