//! One line for a command and one for an event, for people who read shrunk cases.
//!
//! Invariant: the line of an event names every field that is not reserved, so two different events read differently.

use ringbook_event::{Event, Origin};
use ringbook_wire::message::{
    Amend, BustTrade, Cancel, CancelAll, Continue, Deposit, Genesis, Message, MessageType, NewOrder, Quarantine,
    SessionDown, SetAccount, SetAsset, SetFees, SetKey, SetStatus, SetSymbol, Withdraw, name_of,
};
use ringbook_wire::{
    ClientOrderId, EndReason, FeeModel, OrderState, OrderType, RejectCode, Role, Side, StpMode, SymbolStatus,
    TimeInForce, TriggerDirection, TriggerSource, codec,
};

/// The name of a code, or the number if it names nothing.
macro_rules! code {
    ($kind:ident, $number:expr) => {
        $kind::from_code($number).map_or_else(|| format!("?{}", $number), |code| code.name().to_string())
    };
}

mod perpetual;

fn client(id: ClientOrderId) -> String {
    format!("client {:x}", u128::from(id))
}

fn name(field: &[u8]) -> String {
    name_of(field).map_or_else(|| format!("{field:?}"), |name| format!("{name:?}"))
}

/// A reject code's number and name; empty for 0.
fn reject(number: u16) -> String {
    if number == 0 { String::new() } else { format!(" {number} {}", code!(RejectCode, number)) }
}

/// An end reason; empty for 0.
fn reason(number: u8) -> String {
    if number == 0 { String::new() } else { format!(" ({})", code!(EndReason, number)) }
}

/// One line for a command.
pub fn command(time_ns: u64, origin: &Origin, message: &[u8]) -> String {
    let session = origin.session.0 & 0xffff_ffff;
    format!("t={time_ns} key {} session {session}: {}", origin.key, body(message))
}

fn body(message: &[u8]) -> String {
    let kind = codec::header(message).kind;
    if let Some(m) = NewOrder::read(message) {
        new_order(&m)
    } else if let Some(m) = Cancel::read(message) {
        format!("CANCEL account {} order {} {}{}", m.account, m.order, client(m.client_id), odd(m.reserved != 0))
    } else if let Some(m) = Amend::read(message) {
        format!(
            "AMEND account {} order {} {} to {} x {} trigger {}{}",
            m.account,
            m.order,
            client(m.client_id),
            m.quantity,
            m.price,
            m.trigger,
            odd(m.reserved != 0)
        )
    } else if let Some(m) = CancelAll::read(message) {
        format!("CANCEL_ALL account {} symbol {} side {}{}", m.account, m.symbol, m.side, odd(m.reserved != [0; 7]))
    } else if let Some(m) = Deposit::read(message) {
        let (account, asset, reference) = (m.account, m.asset, m.reference);
        format!("DEPOSIT #{} account {account} asset {asset} amount {} ref {reference}", m.adjustment, m.amount)
    } else if let Some(m) = Withdraw::read(message) {
        let (account, asset, reference) = (m.account, m.asset, m.reference);
        format!("WITHDRAW #{} account {account} asset {asset} amount {} ref {reference}", m.adjustment, m.amount)
    } else if let Some(m) = SetAsset::read(message) {
        format!("SET_ASSET {} {} scale {}{}", m.asset, name(&m.name), m.scale, odd(m.reserved != [0; 3]))
    } else if let Some(m) = SetSymbol::read(message) {
        set_symbol(&m)
    } else if let Some(m) = SetAccount::read(message) {
        format!("SET_ACCOUNT {} group {} suspended {}{}", m.account, m.group, m.suspended, odd(m.reserved != [0; 7]))
    } else if let Some(m) = SetFees::read(message) {
        let rates = if m.removed == 0 {
            format!("taker {} maker {}", m.taker, m.maker)
        } else {
            format!("removed {}", m.removed)
        };
        format!("SET_FEES account {} group {} {rates}{}", m.account, m.fee_group, odd(m.reserved != 0))
    } else if let Some(m) = BustTrade::read(message) {
        let parties = format!("buyer {} fee {} seller {} fee {}", m.buyer, m.buyer_fee, m.seller, m.seller_fee);
        format!(
            "BUST_TRADE {} symbol {} {} x {} {parties}{}",
            m.trade,
            m.symbol,
            m.quantity,
            m.price,
            odd(m.reserved != 0)
        )
    } else if let Some(m) = SetStatus::read(message) {
        format!("SET_STATUS {} {}{}", m.symbol, code!(SymbolStatus, m.status), odd(m.reserved != [0; 3]))
    } else if let Some(m) = SetKey::read(message) {
        let (first, last, role) = (m.first_account, m.last_account, code!(Role, m.role));
        let odd = odd(m.reserved != [0; 2] || m.reserved2 != 0);
        format!("SET_KEY {} {role} accounts {first}-{last} revoked {}{odd}", m.key, m.revoked)
    } else if let Some(line) = perpetual::body(message) {
        line
    } else if let Some(m) = Genesis::read(message) {
        format!("GENESIS dedupe {} max orders {} events {}", m.dedupe_capacity, m.max_orders, m.max_event_bytes)
    } else if let Some(m) = SessionDown::read(message) {
        format!("SESSION_DOWN key {} session {}", m.session.key(), m.session.0 & 0xffff_ffff)
    } else if let Some(m) = Quarantine::read(message) {
        let what = format!("kind {} account {} symbol {} {}", m.kind, m.account, m.symbol, client(m.client_id));
        format!("QUARANTINE {what} #{} halt {} sent {}", m.adjustment, m.halt, m.send_time.0)
    } else if let Some(m) = Continue::read(message) {
        format!("CONTINUE of {}", m.of)
    } else {
        let name = MessageType::from_code(kind).map_or_else(|| format!("?{kind}"), |kind| kind.name().to_uppercase());
        format!("{name} ({} bytes)", message.len())
    }
}

fn odd(reserved_is_set: bool) -> &'static str {
    if reserved_is_set { " reserved!" } else { "" }
}

fn new_order(m: &NewOrder) -> String {
    let mut line = format!(
        "NEW_ORDER account {} symbol {} {} {} {} {} x {} stp {} flags {:#x} {} sent {}",
        m.account,
        m.symbol,
        code!(Side, m.side),
        code!(OrderType, m.order_type),
        code!(TimeInForce, m.time_in_force),
        m.quantity,
        m.price,
        code!(StpMode, m.stp),
        m.flags,
        client(m.client_id),
        m.send_time.0
    );
    if m.budget.0 != 0 {
        line += &format!(" budget {}", m.budget);
    }
    if m.trigger.0 != 0 || m.trigger_direction != 0 || m.trigger_source != 0 {
        let (direction, source) =
            (code!(TriggerDirection, m.trigger_direction), code!(TriggerSource, m.trigger_source));
        line += &format!(" when {source} {direction} {}", m.trigger);
    }
    if m.display.0 != 0 {
        line += &format!(" display {}", m.display);
    }
    if m.expire_at.0 != 0 {
        line += &format!(" expires {}", m.expire_at.0);
    }
    line
}

fn set_symbol(m: &SetSymbol) -> String {
    format!(
        "SET_SYMBOL {} {} {}/{} kind {} {} lot {} K {} price {}-{} qty {}-{} market {} notional {}-{} band {} slip {} \
         taker {} maker {} orders {} stops {} stp {} status {}{}",
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
        odd(m.reserved != [0; 6] || m.reserved2 != [0; 3])
    )
}

/// One line for an event.
pub fn event(event: &Event) -> String {
    match event {
        Event::Accepted(e) => format!(
            "ACCEPTED account {} order {} symbol {} {} {} {} x {} stp {} hold {}",
            e.header.subject,
            e.order,
            e.symbol,
            code!(Side, e.header.a),
            code!(OrderType, e.header.b),
            e.quantity,
            e.price,
            code!(StpMode, e.stp),
            e.hold
        ),
        Event::Rejected(e) => {
            let alone = if e.header.b == 1 { " (sender alone)" } else { "" };
            let (account, kind) = (e.header.subject, e.header.a);
            format!("REJECTED{} account {account} message {kind} {}{alone}", reject(e.code), client(e.client_id))
        }
        Event::Replayed(e) => format!(
            "REPLAYED account {} message {} order {} {}{}{} sequence {} filled {} remaining {} cost {} fee {} {}",
            e.header.subject,
            e.header.b,
            e.order,
            code!(OrderState, e.header.a),
            reason(e.reason),
            reject(e.code),
            e.sequence,
            e.filled,
            e.remaining,
            e.cost,
            e.fee,
            client(e.client_id)
        ),
        Event::Trade(e) => format!(
            "TRADE {} symbol {} {} x {} role {}; taker {} order {} account {} fee {} left {} filled {} cost {}; maker \
             order {} account {} fee {} left {} filled {} cost {}",
            e.trade,
            e.header.subject,
            e.quantity,
            e.price,
            e.header.b,
            code!(Side, e.header.a),
            e.taker_order,
            e.taker_account,
            e.taker_fee,
            e.taker_remaining,
            e.taker_filled,
            e.taker_cost,
            e.maker_order,
            e.maker_account,
            e.maker_fee,
            e.maker_remaining,
            e.maker_filled,
            e.maker_cost
        ),
        Event::Prevented(e) => format!(
            "PREVENTED symbol {} {}; taker order {} account {} loses {} left {}; maker order {} account {} loses {} left {}",
            e.header.subject,
            code!(StpMode, e.header.a),
            e.taker_order,
            e.taker_account,
            e.taker_quantity,
            e.taker_remaining,
            e.maker_order,
            e.maker_account,
            e.maker_quantity,
            e.maker_remaining
        ),
        Event::Amended(e) => format!(
            "AMENDED account {} order {} symbol {} reason {} keeps {} orig {} x {} remaining {} cut {} hold {} trigger {}",
            e.header.subject,
            e.order,
            e.symbol,
            e.header.a,
            e.header.b,
            e.quantity,
            e.price,
            e.remaining,
            e.cut,
            e.hold,
            e.trigger
        ),
        Event::Triggered(e) => format!(
            "TRIGGERED account {} order {} symbol {} {} {} at {}",
            e.header.subject,
            e.order,
            e.symbol,
            code!(Side, e.header.a),
            code!(OrderType, e.header.b),
            e.price
        ),
        Event::Refreshed(e) => format!(
            "REFRESHED account {} order {} symbol {} {} shown {} remaining {}",
            e.header.subject,
            e.order,
            e.symbol,
            code!(Side, e.header.a),
            e.shown,
            e.remaining
        ),
        Event::Busted(e) => format!(
            "BUSTED {} symbol {} {} x {} buyer {} order {} fee {} seller {} order {} fee {}",
            e.trade,
            e.header.subject,
            e.quantity,
            e.price,
            e.buyer,
            e.buy_order,
            e.buyer_fee,
            e.seller,
            e.sell_order,
            e.seller_fee
        ),
        Event::Canceled(e) => {
            let (account, why) = (e.header.subject, reason(e.header.a));
            format!("CANCELED account {account} order {} symbol {}{why} remaining {}", e.order, e.symbol, e.remaining)
        }
        Event::Expired(e) => {
            let (account, why) = (e.header.subject, format!("{}{}", reason(e.header.a), reject(e.code)));
            format!("EXPIRED account {account} order {} symbol {}{why} remaining {}", e.order, e.symbol, e.remaining)
        }
        Event::Done(e) => format!(
            "DONE account {} order {} symbol {} {}{} filled {} cost {} fee {} returned {} remaining {} prevented {} cut {} {}",
            e.header.subject,
            e.order,
            e.symbol,
            code!(OrderState, e.header.a),
            reason(e.header.b),
            e.filled,
            e.cost,
            e.fee,
            e.returned,
            e.remaining,
            e.prevented,
            e.cut,
            client(e.client_id)
        ),
        Event::Balance(e) => {
            let (account, wallet) = (e.header.subject, e.header.a);
            format!(
                "BALANCE account {account} wallet {wallet} asset {} available {} held {}",
                e.asset, e.available, e.held
            )
        }
        Event::Status(e) => {
            let (now, before) = (code!(SymbolStatus, e.header.a), code!(SymbolStatus, e.header.b));
            format!("STATUS symbol {} {now} (was {before})", e.header.subject)
        }
        Event::Config(e) => {
            let by_the_engine = if e.header.b == 1 { " by the engine" } else { "" };
            format!("CONFIG message {} object {}{by_the_engine}", e.header.a, e.header.subject)
        }
        Event::Transfer(e) => {
            let (account, kind) = (e.header.subject, e.header.a);
            let again = if e.header.b == 1 { " again" } else { "" };
            let what = format!("kind {kind}{again}{} account {account} asset {}", reject(e.code), e.asset);
            format!("TRANSFER #{} {what} amount {} ref {}", e.adjustment, e.amount, e.reference)
        }
        Event::Handled(e) => {
            let (kind, more, subject) = (e.header.a, e.header.b, e.header.subject);
            format!("HANDLED message {kind} more {more} account {subject} count {} argument {}", e.count, e.argument)
        }
        _ => perpetual::event(event),
    }
}
