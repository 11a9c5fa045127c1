//! One record per account and perpetual: the position, how it is backed, and what the account's orders at work add up to.
//!
//! Invariants (DOMAIN §8.5): Q = 0 exactly if C = 0, and then M = 0 when nothing is being liquidated; C has the sign of Q; M
//! is 0 in cross mode. `open` and `reduce_only` equal a recount of the orders that are counted.

use crate::orders::Order;
use ringbook_wire::{AccountId, Amount, AssetId, MarginMode, Price, Sequence, Side, SymbolId, order_flags};

/// Orders of one side that are not reduce-only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenSide {
    pub lots: i64,
    /// Sum of N(margin price, remaining).
    pub value: i128,
    pub reserves: i128,
}

/// A position's public part; what POSITION tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub mode: MarginMode,
    pub leverage: u32,
    pub quantity: i64,
    pub cost: Amount,
    pub margin: Amount,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// Slot of the account.
    pub account: u32,
    pub owner: AccountId,
    pub symbol: SymbolId,
    /// Settlement asset.
    pub asset: AssetId,
    pub state: State,
    /// Largest position of this account; 0 for the symbol's own limit.
    pub limit: i64,
    pub open: [OpenSide; 2],
    /// Lots of reduce-only orders at work, by side.
    pub reduce_only: [i64; 2],
    pub reduce_only_reserves: i128,
    /// Command that touched it last.
    pub touched: Sequence,
    /// Its isolated bucket is among the touched ones.
    pub queued: bool,
    /// Its places in the two heaps of its symbol's watch.
    pub watched: [u32; 2],
    /// Version of its rank for auto-deleveraging.
    pub rank: u32,
}

impl Position {
    /// The side on which an order makes it smaller; `None` without a position.
    #[inline]
    pub fn closing_side(&self) -> Option<Side> {
        match self.state.quantity {
            0 => None,
            long if long > 0 => Some(Side::Sell),
            _ => Some(Side::Buy),
        }
    }

    /// Lots that orders of a side may close.
    #[inline]
    pub fn closable(&self, side: Side) -> i64 {
        if self.closing_side() == Some(side) { self.state.quantity.abs() } else { 0 }
    }

    #[inline]
    pub fn is_isolated(&self) -> bool {
        self.state.mode == MarginMode::Isolated
    }

    /// Adds (`sign` 1) or takes away (−1) what an order at work counts for; `value` is N(margin price, remaining).
    #[inline]
    pub fn count(&mut self, order: &Order, value: i128, sign: i64) {
        let side = order.side.index();
        let (lots, reserve) = (sign * order.remaining.0, i128::from(sign) * i128::from(order.hold.0));
        if order.flags & order_flags::REDUCE_ONLY != 0 {
            self.reduce_only[side] += lots;
            self.reduce_only_reserves += reserve;
        } else {
            let open = &mut self.open[side];
            open.lots += lots;
            open.value += i128::from(sign) * value;
            open.reserves += reserve;
        }
    }
}

/// A position's value before the command.
#[derive(Clone, Copy, Debug)]
pub struct TouchedPosition {
    pub owner: AccountId,
    pub symbol: SymbolId,
    pub slot: u32,
    pub before: State,
}

/// All records; see the module. A record stays when its position is closed.
#[derive(Clone, Default)]
pub struct Positions {
    slots: Vec<Position>,
    touched: Vec<TouchedPosition>,
    command: Sequence,
}

impl Positions {
    /// Begins a command: nothing is touched yet.
    #[inline]
    pub fn begin(&mut self, command: Sequence) {
        self.command = command;
        self.touched.clear();
    }

    /// Adds a record.
    pub fn add(&mut self, position: Position) -> u32 {
        self.slots.push(position);
        u32::try_from(self.slots.len() - 1).expect("fewer records than numbers")
    }

    /// A record.
    #[inline]
    pub fn get(&self, slot: u32) -> &Position {
        &self.slots[slot as usize]
    }

    /// A record, to change what POSITION does not tell.
    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> &mut Position {
        &mut self.slots[slot as usize]
    }

    /// The public part of a record, to be changed; notes its value before the command.
    #[inline]
    pub fn change(&mut self, slot: u32) -> &mut State {
        let position = &mut self.slots[slot as usize];
        if position.touched != self.command {
            position.touched = self.command;
            let Position { owner, symbol, state: before, .. } = *position;
            self.touched.push(TouchedPosition { owner, symbol, slot, before });
        }
        &mut self.slots[slot as usize].state
    }

    /// Records touched so far by this command: an upper bound of its POSITION events.
    #[inline]
    pub fn touched_count(&self) -> usize {
        self.touched.len()
    }

    /// The records touched by this command, ascending by account and symbol.
    #[inline]
    pub fn sort_touched(&mut self) {
        self.touched.sort_unstable_by_key(|t| (t.owner, t.symbol));
    }

    /// One of them.
    #[inline]
    pub fn touched(&self, at: usize) -> Option<TouchedPosition> {
        self.touched.get(at).copied()
    }

    /// All records.
    pub fn all(&self) -> &[Position] {
        &self.slots
    }
}

/// N(price, lots) of any price, also one beyond limits that were lowered since.
#[inline]
pub(crate) fn notional(price: Price, lots: i64, k: Amount) -> i128 {
    i128::from(price.0) * i128::from(lots) * i128::from(k.0)
}
