//! What a database shows: everything, or one of two parts, spot and futures, each in a database of its own.
//!
//! ```text
//!                   both: exchange, assets, symbols, accounts, fee_schedules, transfers between the wallets
//! spot=URL     ───► orders, trades, busts, rejections of spot symbols; balances; deposits, withdrawals
//! futures=URL  ───► orders, trades, rejections of perpetuals; every table of perpetuals; movements of isolated margin
//! ```
//!
//! Invariants:
//! 1. Each part is a projection of its own: own connection, own progress row, own dead letters. Each is exactly once by
//!    itself; they may stand at different sequences.
//! 2. Every row of the whole is in at least one part, with the same values.

use crate::schema::{
    ADL, BALANCES, Column, Dialect, FUNDING_PAYMENTS, FUNDING_ROUNDS, INSURANCE_FUND, LIQUIDATIONS, MARGIN_WALLETS,
    MARK_PRICES, PERPETUALS, POSITION_LIMITS, POSITIONS, REALIZED, TAKEOVERS, Table,
};
use crate::sink::{Sink, SinkError};
use crate::value::Value;

/// What a database shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    #[default]
    All,
    /// Spot.
    Spot,
    /// Perpetual futures.
    Futures,
}

/// Tables that spot has no use for.
static OF_FUTURES: [&Table; 12] = [
    &PERPETUALS,
    &POSITION_LIMITS,
    &MARGIN_WALLETS,
    &POSITIONS,
    &LIQUIDATIONS,
    &MARK_PRICES,
    &FUNDING_ROUNDS,
    &FUNDING_PAYMENTS,
    &TAKEOVERS,
    &ADL,
    &INSURANCE_FUND,
    &REALIZED,
];

impl Scope {
    /// Whether it has this table.
    pub fn has(self, table: &Table) -> bool {
        match self {
            Self::All => true,
            Self::Spot => OF_FUTURES.iter().all(|other| other.name != table.name),
            Self::Futures => table.name != BALANCES.name,
        }
    }

    /// Whether it shows spot.
    pub fn spot(self) -> bool {
        self != Self::Futures
    }

    /// Whether it shows perpetuals.
    pub fn futures(self) -> bool {
        self != Self::Spot
    }

    /// Its name in `--projection`; empty for everything.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Spot => "spot",
            Self::Futures => "futures",
        }
    }

    /// Scope and database of a part's text: `futures=URL`, or a URL alone.
    pub fn of(part: &str) -> (Self, &str) {
        for scope in [Self::Spot, Self::Futures] {
            if let Some(url) = part.strip_prefix(scope.name()).and_then(|rest| rest.strip_prefix('=')) {
                return (scope, url);
            }
        }
        (Self::All, part)
    }
}

/// The parts of a `--projection` value: one URL, or `spot=URL,futures=URL` (or one of the two). Each part is for
/// [`crate::open`], and has a projector of its own.
///
/// # Errors
/// A part comes twice, or a URL stands beside parts.
pub fn parts(value: &str) -> Result<Vec<String>, SinkError> {
    if Scope::of(value).0 == Scope::All {
        return Ok(vec![value.to_owned()]);
    }
    let mut out: Vec<String> = Vec::new();
    for piece in value.split(',') {
        match (Scope::of(piece).0, out.last_mut()) {
            // A comma inside of a URL.
            (Scope::All, Some(last)) => {
                last.push(',');
                last.push_str(piece);
            }
            _ => out.push(piece.to_owned()),
        }
    }
    let scopes: Vec<Scope> = out.iter().map(|part| Scope::of(part).0).collect();
    if scopes.len() > 2 || scopes.len() == 2 && scopes[0] == scopes[1] {
        let text = "a projection is one URL, or spot=URL,futures=URL with each part once".into();
        return Err(SinkError::Away(text));
    }
    Ok(out)
}

/// A database of a part.
pub(crate) struct ScopedSink {
    inner: Box<dyn Sink>,
    scope: Scope,
    label: String,
}

impl ScopedSink {
    pub(crate) fn new(inner: Box<dyn Sink>, scope: Scope) -> Self {
        let label = format!("{} ({})", inner.label(), scope.name());
        Self { inner, scope, label }
    }
}

impl Sink for ScopedSink {
    fn label(&self) -> &str {
        &self.label
    }

    fn scope(&self) -> Scope {
        self.scope
    }

    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    fn connect(&mut self) -> Result<(), SinkError> {
        self.inner.connect()
    }

    fn begin(&mut self, read_only: bool) -> Result<(), SinkError> {
        self.inner.begin(read_only)
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        self.inner.commit()
    }

    fn rollback(&mut self) {
        self.inner.rollback();
    }

    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, SinkError> {
        self.inner.execute(sql, params)
    }

    fn define(&mut self, sql: &str) -> Result<(), SinkError> {
        self.inner.define(sql)
    }

    fn select(
        &mut self,
        sql: &str,
        params: &[Value],
        columns: &[Column],
        each: &mut dyn FnMut(&[Value]),
    ) -> Result<(), SinkError> {
        self.inner.select(sql, params, columns, each)
    }

    fn prepare_day(&mut self, table: &Table, suffix: &str, day: i64) -> Result<(), SinkError> {
        self.inner.prepare_day(table, suffix, day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_or_two_parts() {
        assert_eq!(parts("mysql://u:a,b@h/d").unwrap(), ["mysql://u:a,b@h/d"]);
        assert_eq!(parts("futures=sqlite:f.db").unwrap(), ["futures=sqlite:f.db"]);
        let both = "spot=mysql://u:a,b@h/d?x=1,futures=sqlite:a,b.db";
        assert_eq!(parts(both).unwrap(), ["spot=mysql://u:a,b@h/d?x=1", "futures=sqlite:a,b.db"]);
        assert_eq!(Scope::of("futures=sqlite:a,b.db"), (Scope::Futures, "sqlite:a,b.db"));
        assert!(parts("spot=a,spot=b").is_err());
        assert!(parts("spot=a,futures=b,spot=c").is_err());
    }
}
