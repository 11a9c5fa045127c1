//! Assets and symbols: their definitions, the bounds that make trade values exact, and each symbol's book.
//!
//! Invariants (DOMAIN §1): `max_price · max_qty · K ≤ 2^62` and `max_qty · base_lot ≤ 2^62`; K and base_lot at least 1;
//! what a value depends on (scale, base, quote, base_lot, K, kind, fee model) never changes.

use crate::book::{LimitBook, StopBook};
use crate::money::FeeTerms;
use crate::perpetual::Contract;
use ringbook_wire::message::{SetSymbol, name_of};
use ringbook_wire::{
    Amount, AssetId, FeeModel, MAX_AMOUNT, Price, Qty, RATE_ONE, Rate, StpMode, SymbolId, SymbolKind, SymbolStatus,
};

/// Highest asset and symbol id, so that both are looked up by position.
pub const MAX_ID: u32 = 65_535;
/// Finest scale of an asset.
pub const MAX_SCALE: u8 = 12;

/// Whether a fee by value may have this rate: below 100 %, and no rebate of half the value or more, with which a budget could
/// buy for more than 64 bits.
pub fn is_fee_rate(rate: i64) -> bool {
    (1 - RATE_ONE / 2..RATE_ONE).contains(&rate)
}

/// An asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asset {
    pub scale: u8,
    pub name: [u8; 16],
}

/// A symbol's definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub base: AssetId,
    pub quote: AssetId,
    pub kind: SymbolKind,
    pub fee_group: u16,
    pub name: [u8; 24],
    pub base_lot: Amount,
    pub k: Amount,
    pub min_price: Price,
    pub max_price: Price,
    pub min_quantity: Qty,
    pub max_quantity: Qty,
    pub max_market_quantity: Qty,
    pub min_notional: Amount,
    pub max_notional: Amount,
    pub band: Rate,
    pub slip: Rate,
    pub fees: FeeTerms,
    pub max_open_orders: u32,
    pub max_trigger_orders: u32,
    pub stp: StpMode,
}

/// A symbol: definition, status and book.
#[derive(Clone)]
pub struct Symbol {
    pub id: SymbolId,
    pub terms: Terms,
    pub status: SymbolStatus,
    /// Price of the last trade; 0 before the first.
    pub last: Price,
    pub book: LimitBook,
    /// Orders that wait for their trigger, the last price.
    pub stops: StopBook,
    /// What a perpetual has beyond a spot symbol.
    pub contract: Option<Box<Contract>>,
}

impl Symbol {
    /// What the band, market protection and auctions refer to: the mark of a perpetual, else the last trade; 0 for none.
    #[inline]
    pub fn reference(&self) -> Price {
        self.contract.as_ref().map_or(self.last, |contract| contract.mark)
    }

    /// Orders that wait for the mark, or for the last price.
    #[inline]
    pub fn waiting(&mut self, by_mark: bool) -> &mut StopBook {
        match &mut self.contract {
            Some(contract) if by_mark => &mut contract.stops,
            _ => &mut self.stops,
        }
    }

    /// What a trigger looks at.
    #[inline]
    pub fn trigger_reference(&self, by_mark: bool) -> Price {
        if by_mark { self.reference() } else { self.last }
    }

    /// `N(p, q)` of values inside the symbol's limits.
    #[inline]
    pub fn value(&self, price: Price, quantity: Qty) -> Amount {
        crate::money::value(price, quantity, self.terms.k).expect("bounded by max_price · max_quantity · K ≤ 2^62")
    }

    /// Base units of a quantity inside the symbol's limits.
    #[inline]
    pub fn base_units(&self, quantity: Qty) -> Amount {
        Amount(quantity.0.checked_mul(self.terms.base_lot.0).expect("bounded by max_quantity · base_lot ≤ 2^62"))
    }
}

/// Assets and symbols by id.
#[derive(Clone, Default)]
pub struct Symbols {
    assets: Vec<Option<Asset>>,
    symbols: Vec<Option<Symbol>>,
    perpetuals: bool,
}

fn set<T>(list: &mut Vec<Option<T>>, id: u32, value: T) {
    let at = id as usize;
    if list.len() <= at {
        list.resize_with(at + 1, || None);
    }
    list[at] = Some(value);
}

impl Symbols {
    /// An asset.
    #[inline]
    pub fn asset(&self, id: AssetId) -> Option<&Asset> {
        self.assets.get(id.0 as usize)?.as_ref()
    }

    /// A symbol.
    #[inline]
    pub fn get(&self, id: SymbolId) -> Option<&Symbol> {
        self.symbols.get(id.0 as usize)?.as_ref()
    }

    /// A symbol that is there.
    #[inline]
    pub fn at(&self, id: SymbolId) -> &Symbol {
        self.symbols[id.0 as usize].as_ref().expect("the symbol was looked up")
    }

    /// A symbol that is there, to be changed.
    #[inline]
    pub fn at_mut(&mut self, id: SymbolId) -> &mut Symbol {
        self.symbols[id.0 as usize].as_mut().expect("the symbol was looked up")
    }

    /// Whether there is a perpetual.
    #[inline]
    pub fn has_perpetuals(&self) -> bool {
        self.perpetuals
    }

    /// All assets by rising id.
    pub fn assets(&self) -> impl Iterator<Item = (AssetId, &Asset)> {
        self.assets.iter().enumerate().filter_map(|(id, asset)| Some((AssetId(id as u32), asset.as_ref()?)))
    }

    /// All symbols by rising id.
    pub fn all(&self) -> impl Iterator<Item = &Symbol> {
        self.symbols.iter().flatten()
    }

    /// Sets an asset that was checked.
    pub fn set_asset(&mut self, id: AssetId, asset: Asset) {
        set(&mut self.assets, id.0, asset);
    }

    /// Adds a symbol that was checked.
    pub fn add(&mut self, id: SymbolId, terms: Terms, status: SymbolStatus, last: Price) {
        self.perpetuals |= terms.kind == SymbolKind::Perpetual;
        let (book, stops) = (LimitBook::new(terms.max_price), StopBook::new(terms.max_price));
        set(&mut self.symbols, id.0, Symbol { id, terms, status, last, book, stops, contract: None });
    }

    /// The terms in a message, if they are consistent in themselves and with the assets; `None` is BAD_CONFIG.
    pub fn terms_of(&self, message: &SetSymbol) -> Option<Terms> {
        let m = message;
        let fees = FeeTerms { model: FeeModel::from_code(m.fee_model)?, taker: m.taker.0, maker: m.maker.0 };
        let terms = Terms {
            base: m.base,
            quote: m.quote,
            kind: SymbolKind::from_code(m.kind)?,
            fee_group: m.fee_group,
            name: m.name,
            base_lot: m.base_lot,
            k: m.quote_per_tick_lot,
            min_price: m.min_price,
            max_price: m.max_price,
            min_quantity: m.min_quantity,
            max_quantity: m.max_quantity,
            max_market_quantity: m.max_market_quantity,
            min_notional: m.min_notional,
            max_notional: m.max_notional,
            band: m.band,
            slip: m.slip,
            fees,
            max_open_orders: m.max_open_orders,
            max_trigger_orders: m.max_trigger_orders,
            stp: StpMode::from_code(m.stp).filter(|&stp| stp != StpMode::Default)?,
        };
        let fits = |a: i64, b: i64, c: i64| {
            i128::from(a)
                .checked_mul(i128::from(b))
                .and_then(|ab| ab.checked_mul(i128::from(c)))
                .is_some_and(|product| product <= i128::from(MAX_AMOUNT))
        };
        let rate = |rate: i64, lowest: i64| (lowest..RATE_ONE).contains(&rate);
        let fees_fit = match terms.fees.model {
            FeeModel::Rate => [m.taker.0, m.maker.0].into_iter().all(is_fee_rate),
            FeeModel::PerLot => [m.taker.0, m.maker.0].iter().all(|&fee| {
                let size = i128::from(fee).abs();
                size < i128::from(m.min_price.0) * i128::from(m.quote_per_tick_lot.0)
                    && size * i128::from(m.max_quantity.0) <= i128::from(MAX_AMOUNT)
            }),
        };
        ((1..=MAX_ID).contains(&m.symbol.0)
            && name_of(&m.name).is_some()
            && self.asset(m.base).is_some()
            && self.asset(m.quote).is_some()
            && m.base != m.quote
            && m.base_lot.0 >= 1
            && m.quote_per_tick_lot.0 >= 1
            && 1 <= m.min_price.0
            && m.min_price <= m.max_price
            && 1 <= m.min_quantity.0
            && m.min_quantity <= m.max_quantity
            && m.min_quantity <= m.max_market_quantity
            && m.max_market_quantity <= m.max_quantity
            && 0 <= m.min_notional.0
            && 0 <= m.max_notional.0
            && (m.max_notional.0 == 0 || m.min_notional <= m.max_notional)
            && rate(m.band.0, 0)
            && rate(m.slip.0, 0)
            && fees_fit
            && fits(m.max_price.0, m.max_quantity.0, m.quote_per_tick_lot.0)
            && fits(m.max_quantity.0, m.base_lot.0, 1))
        .then_some(terms)
    }
}
