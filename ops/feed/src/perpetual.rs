//! Perpetuals over HTTP: the positions and margin of an account, and what a perpetual has beyond a spot symbol.
//!
//! Invariant: as everywhere here, integers in their units; what is computed (margin, gains) is the engine's own number at
//! the sequence that the answer names.

use crate::bounded::Peer;
use crate::error::ApiError;
use crate::json::Symbol;
use crate::parameters::numbers;
use crate::routes::{Answer, Shared, account_state, json};
use axum::extract::{ConnectInfo, Path, RawQuery, State};
use axum::http::StatusCode;
use ringbook_core::{ContractView, MarginView, PositionView};
use ringbook_replay::shadow::{Shadow, SymbolInfo};
use ringbook_wire::SymbolKind;
use serde::Serialize;

#[derive(Serialize)]
struct Positions {
    account: u32,
    sequence: u64,
    positions: Vec<Position>,
    margins: Vec<Margin>,
}

#[derive(Serialize)]
struct Position {
    symbol: u32,
    mode: &'static str,
    leverage: u32,
    /// Negative is short.
    quantity: i64,
    cost: i64,
    margin: i64,
    /// 0: that of the symbol.
    limit: i64,
    unrealized: i128,
    maintenance: i128,
    bankruptcy: i64,
    liquidation: i64,
}

impl From<PositionView> for Position {
    fn from(view: PositionView) -> Self {
        Self {
            symbol: view.symbol.0,
            mode: view.mode.name(),
            leverage: view.leverage,
            quantity: view.quantity.0,
            cost: view.cost.0,
            margin: view.margin.0,
            limit: view.limit.0,
            unrealized: view.unrealized,
            maintenance: view.maintenance,
            bankruptcy: view.bankruptcy.0,
            liquidation: view.liquidation.0,
        }
    }
}

#[derive(Serialize)]
struct Margin {
    asset: u32,
    wallet: i64,
    equity: i128,
    used: i128,
    maintenance: i128,
    available: i128,
    transferable: i128,
}

impl From<MarginView> for Margin {
    fn from(view: MarginView) -> Self {
        Self {
            asset: view.asset.0,
            wallet: view.wallet.0,
            equity: view.equity,
            used: view.used,
            maintenance: view.maintenance,
            available: view.available,
            transferable: view.transferable,
        }
    }
}

#[derive(Serialize)]
struct Perpetuals {
    sequence: u64,
    /// Engine time, to which `mark_time` and `funding_due` compare.
    time: u64,
    perpetuals: Vec<Perpetual>,
}

#[derive(Serialize)]
struct OnePerpetual {
    sequence: u64,
    time: u64,
    #[serde(flatten)]
    perpetual: Perpetual,
}

/// What a spot symbol has, too, and the rest.
#[derive(Serialize)]
struct Perpetual {
    #[serde(flatten)]
    symbol: Symbol,
    max_position: i64,
    max_leverage: u32,
    mark_max_age: u64,
    mark_jump: i64,
    mark_confirmations: u16,
    funding_interval: u64,
    funding_cap: i64,
    liquidation_fee: i64,
    fund_multiple: i64,
    reduce_only: bool,
    tiers: Vec<Tier>,
    /// 0 before the first.
    mark: i64,
    mark_time: u64,
    mark_fresh: bool,
    funding_index: u64,
    funding_due: u64,
    open_interest: i64,
}

#[derive(Serialize)]
struct Tier {
    cap: i64,
    rate: i64,
    amount: i64,
    max_leverage: u32,
}

impl Perpetual {
    fn new(info: SymbolInfo, view: ContractView) -> Self {
        let tiers = view.tiers.iter();
        Self {
            symbol: info.into(),
            max_position: view.max_position.0,
            max_leverage: view.max_leverage,
            mark_max_age: view.mark_max_age,
            mark_jump: view.mark_jump.0,
            mark_confirmations: view.mark_confirmations,
            funding_interval: view.funding_interval,
            funding_cap: view.funding_cap.0,
            liquidation_fee: view.liquidation_fee.0,
            fund_multiple: view.fund_multiple.0,
            reduce_only: view.reduce_only,
            tiers: tiers
                .map(|&(cap, rate, amount, max_leverage)| Tier {
                    cap: cap.0,
                    rate: rate.0,
                    amount: amount.0,
                    max_leverage,
                })
                .collect(),
            mark: view.mark.0,
            mark_time: view.feed_time.0,
            mark_fresh: view.fresh,
            funding_index: view.funding_index,
            funding_due: view.funding_due.0,
            open_interest: view.open_interest.0,
        }
    }
}

/// All perpetuals with their contracts, or the one with a name.
fn contracts(shadow: &Shadow, name: Option<&str>) -> Vec<(SymbolInfo, ContractView)> {
    let symbols = shadow.symbols().into_iter();
    let wanted = symbols.filter(|info| info.view.kind == SymbolKind::Perpetual);
    let named = wanted.filter(|info| name.is_none_or(|name| info.view.name == name));
    let contract = |info: SymbolInfo| {
        let contract = shadow.engine().contract_view(info.view.symbol)?;
        Some((info, contract))
    };
    named.filter_map(contract).collect()
}

pub(crate) async fn perpetuals(State(app): Shared, RawQuery(query): RawQuery) -> Answer {
    let [min_sequence] = numbers(query.as_deref(), ["min_sequence"])?;
    let question = |shadow: &Shadow| Ok((shadow.sequence(), shadow.engine().time().0, contracts(shadow, None)));
    let (sequence, time, list) = app.ask(min_sequence.unwrap_or(0), question).await?;
    json(&Perpetuals { sequence, time, perpetuals: list.into_iter().map(|(i, c)| Perpetual::new(i, c)).collect() })
}

pub(crate) async fn perpetual(State(app): Shared, Path(name): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let [min_sequence] = numbers(query.as_deref(), ["min_sequence"])?;
    let asked = name.clone();
    let question =
        move |shadow: &Shadow| Ok((shadow.sequence(), shadow.engine().time().0, contracts(shadow, Some(&asked)).pop()));
    let (sequence, time, found) = app.ask(min_sequence.unwrap_or(0), question).await?;
    let Some((info, contract)) = found else {
        let remedy = "GET /v1/perpetuals lists the perpetuals by name";
        return Err(ApiError::new(StatusCode::NOT_FOUND, format!("there is no perpetual {name}"), remedy));
    };
    json(&OnePerpetual { sequence, time, perpetual: Perpetual::new(info, contract) })
}

pub(crate) async fn positions(
    State(app): Shared,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let (account, state) = account_state(&app, peer, &account, query.as_deref()).await?;
    let positions = state.positions.into_iter().map(Into::into).collect();
    let margins = state.margins.into_iter().map(Into::into).collect();
    json(&Positions { account, sequence: state.sequence, positions, margins })
}
