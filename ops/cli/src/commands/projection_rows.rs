//! The state of the engine as `projection verify` compares it with rows.

use ringbook_core::Engine;
use ringbook_projector::{FuturesState, PerpetualTerms, StateRows};

/// Everything that rows of the present say, of spot and of perpetuals.
pub fn of_engine(engine: &Engine) -> StateRows {
    let busted = engine.busted().map(|trade| trade.0).collect();
    let mut rows = StateRows { maintenance: engine.in_maintenance(), busted, ..StateRows::default() };
    for account in engine.account_ids() {
        for b in engine.balances(account).unwrap_or_default() {
            rows.balances.push((account.0, b.asset.0, b.available.0, b.held.0));
        }
        for order in engine.open_orders(account) {
            rows.open_orders.push((order.order.0, order.remaining.0, order.filled.0));
        }
        for own in engine.account_fees(account) {
            rows.fees.push((account.0, own.fee_group.into(), own.taker.0, own.maker.0));
        }
    }
    rows.futures = Some(futures(engine));
    rows
}

fn futures(engine: &Engine) -> FuturesState {
    let mut state = FuturesState::default();
    for account in engine.account_ids() {
        state.wallets.extend(engine.margins(account).iter().map(|m| (account.0, m.asset.0, m.wallet.0)));
        for p in engine.positions(account) {
            let (account, symbol) = (account.0, p.symbol.0);
            state.positions.push((account, symbol, p.mode, p.leverage, p.quantity.0, p.cost.0, p.margin.0));
            state.limits.push((account, symbol, p.limit.0));
        }
    }
    for c in engine.symbols().iter().filter_map(|symbol| engine.contract_view(symbol.symbol)) {
        state.perpetuals.push(PerpetualTerms {
            symbol: c.symbol.0,
            mark: c.mark.0,
            mark_feed_ns: c.feed_time.0,
            funding_index: c.funding_index,
            funding_due_ns: c.funding_due.0,
            reduce_only: c.reduce_only,
            max_position: c.max_position.0,
            max_leverage: c.max_leverage,
            mark_max_age: c.mark_max_age,
            mark_jump: c.mark_jump.0,
            mark_confirmations: c.mark_confirmations.into(),
            funding_interval: c.funding_interval,
            funding_cap: c.funding_cap.0,
            liquidation_fee: c.liquidation_fee.0,
            fund_multiple: c.fund_multiple.0,
            tiers: c.tiers.iter().map(|t| (t.0.0, t.1.0, t.2.0, t.3)).collect(),
        });
    }
    state
}
