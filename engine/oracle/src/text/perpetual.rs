//! The lines of perpetuals' messages and events.

use super::{name, odd};
use ringbook_event::Event;
use ringbook_wire::message::{
    AdjustMargin, Funding, Mark, Message, SetLeverage, SetPerpetual, SetPositionLimit, SettleSymbol, Transfer,
};
use ringbook_wire::{FeeModel, FundReason, MarginMode, StpMode, SymbolStatus};

/// One line for a message that only perpetuals have.
pub(super) fn body(message: &[u8]) -> Option<String> {
    if let Some(m) = SetLeverage::read(message) {
        let (mode, odd) = (code!(MarginMode, m.mode), odd(m.reserved != [0; 3]));
        return Some(format!("SET_LEVERAGE account {} symbol {} {mode} {}{odd}", m.account, m.symbol, m.leverage));
    }
    if let Some(m) = Transfer::read(message) {
        let (account, asset, reference) = (m.account, m.asset, m.reference);
        let what = format!("account {account} asset {asset} amount {} ref {reference}", m.amount);
        let odd = odd(m.reserved != [0; 7]);
        return Some(format!("TRANSFER #{} {} {what}{odd}", m.adjustment, way(m.direction, "FUTURES", "SPOT")));
    }
    if let Some(m) = AdjustMargin::read(message) {
        let (account, symbol, reference) = (m.account, m.symbol, m.reference);
        let what = format!("account {account} symbol {symbol} amount {} ref {reference}", m.amount);
        let odd = odd(m.reserved != [0; 7]);
        return Some(format!("ADJUST_MARGIN #{} {} {what}{odd}", m.adjustment, way(m.direction, "POSITION", "WALLET")));
    }
    if let Some(m) = SetPositionLimit::read(message) {
        return Some(format!("SET_POSITION_LIMIT account {} symbol {} {}", m.account, m.symbol, m.limit));
    }
    if let Some(m) = Mark::read(message) {
        let force = if m.force == 0 { String::new() } else { format!(" force {}", m.force) };
        let odd = odd(m.reserved != [0; 3]);
        return Some(format!("MARK symbol {} {} feed time {}{force}{odd}", m.symbol, m.price, m.feed_time.0));
    }
    if let Some(m) = Funding::read(message) {
        let odd = odd(m.reserved != 0);
        return Some(format!("FUNDING symbol {} rate {} index {}{odd}", m.symbol, m.rate, m.index));
    }
    if let Some(m) = SettleSymbol::read(message) {
        return Some(format!("SETTLE_SYMBOL {} at {}{}", m.symbol, m.price, odd(m.reserved != 0)));
    }
    SetPerpetual::read(message).map(|m| set_perpetual(&m))
}

fn way(direction: u8, there: &str, back: &str) -> String {
    match direction {
        1 => format!("to {there}"),
        2 => format!("to {back}"),
        _ => format!("direction {direction}!"),
    }
}

fn set_perpetual(m: &SetPerpetual) -> String {
    let tiers: Vec<String> = (0..usize::from(m.tiers).min(m.tier_cap.len()))
        .map(|place| {
            let (cap, rate, amount) = (m.tier_cap[place], m.tier_rate[place], m.tier_amount[place]);
            format!("{cap}/{rate}/{amount}/{}x", m.tier_leverage[place])
        })
        .collect();
    format!(
        "SET_PERPETUAL {} {} {}/{} kind {} {} lot {} K {} price {}-{} qty {}-{} market {} notional {}-{} band {} slip {} \
         taker {} maker {} orders {} stops {} stp {} status {} position {} age {} jump {} confirmations {} interval {} \
         cap {} fee {} multiple {} leverage {} reduce only {} tiers {} [{}]{}",
        m.symbol,
        name(&m.name),
        m.base,
        m.quote,
        m.kind,
        code!(FeeModel, m.fee_model),
        m.base_lot,
        m.quote_per_tick_lot,
        m.min_price,
        m.max_price,
        m.min_quantity,
        m.max_quantity,
        m.max_market_quantity,
        m.min_notional,
        m.max_notional,
        m.band,
        m.slip,
        m.taker,
        m.maker,
        m.max_open_orders,
        m.max_trigger_orders,
        code!(StpMode, m.stp),
        code!(SymbolStatus, m.status),
        m.max_position,
        m.mark_max_age,
        m.mark_jump,
        m.mark_confirmations,
        m.funding_interval,
        m.funding_cap,
        m.liquidation_fee,
        m.fund_multiple,
        m.max_leverage,
        m.reduce_only,
        m.tiers,
        tiers.join(" "),
        odd(m.reserved != [0; 6] || m.reserved2 != [0; 3])
    )
}

/// One line for an event that only perpetuals have.
pub(super) fn event(event: &Event) -> String {
    match event {
        Event::Position(e) => format!(
            "POSITION account {} symbol {} {} {}x lots {} cost {} margin {}",
            e.header.subject,
            e.symbol,
            code!(MarginMode, e.header.a),
            e.leverage,
            e.quantity,
            e.cost,
            e.margin
        ),
        Event::Mark(e) => {
            let how = ["within the limit", "forced", "confirmed"].get(usize::from(e.header.b)).unwrap_or(&"?");
            format!("MARK symbol {} {} feed time {} ({how})", e.header.subject, e.price, e.feed_time.0)
        }
        Event::Funded(e) => {
            format!("FUNDED symbol {} index {} rate {} mark {}", e.header.subject, e.index, e.rate, e.mark)
        }
        Event::Funding(e) => {
            let (account, mode) = (e.header.subject, code!(MarginMode, e.header.a));
            format!("FUNDING account {account} symbol {} {mode} lots {} pays {}", e.symbol, e.quantity, e.payment)
        }
        Event::Liquidation(e) => format!(
            "LIQUIDATION account {} symbol {} {} tier {} order {} closes {} of {} at {} bankruptcy {} mark {} equity {}",
            e.header.subject,
            e.symbol,
            code!(MarginMode, e.header.a),
            e.header.b,
            e.order,
            e.quantity,
            e.position,
            e.price,
            e.bankruptcy,
            e.mark,
            e.equity
        ),
        Event::Takeover(e) => format!(
            "TAKEOVER account {} symbol {} {} lots {} at {} pnl {} fund {}",
            e.header.subject,
            e.symbol,
            code!(MarginMode, e.header.a),
            e.quantity,
            e.price,
            e.pnl,
            e.fund
        ),
        Event::Adl(e) => format!(
            "ADL account {} symbol {} {} of {} closes {} at {} pnl {}",
            e.header.subject,
            e.symbol,
            code!(MarginMode, e.header.a),
            e.of,
            e.quantity,
            e.price,
            e.pnl
        ),
        Event::Fund(e) => format!(
            "FUND {} account {} symbol {} asset {} amount {} lots {}",
            code!(FundReason, e.header.a),
            e.header.subject,
            e.symbol,
            e.asset,
            e.amount,
            e.quantity
        ),
        Event::Realized(e) => format!(
            "REALIZED account {} symbol {} role {} trade {} order {} closes {} pnl {}",
            e.header.subject, e.symbol, e.header.a, e.trade, e.order, e.quantity, e.pnl
        ),
        Event::Settled(e) => format!("SETTLED symbol {} at {}", e.header.subject, e.price),
        _ => unreachable!("the other events have lines beside this module"),
    }
}
