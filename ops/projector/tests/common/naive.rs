//! The slow way: each event as statements of its own, written down from docs/PROJECTION.md without the fold's code.
//! It is the oracle of the fold and the base line of its speed.

use ringbook_event::{Event, events, split_command};
use ringbook_projector::{OwnedFrame, Sink, SinkError, Value};
use ringbook_wire::message::*;
use ringbook_wire::*;

fn v(x: impl Into<Value>) -> Value {
    x.into()
}

fn n(text: &'static str) -> Value {
    Value::name(text)
}

fn some(text: Option<&'static str>) -> Value {
    text.map_or(Value::Null, Value::name)
}

/// Day of the random journals, which lie in late November and December 2026.
fn day(ns: u64) -> i64 {
    let since = (ns / 86_400_000_000_000) as i64 - 20_779; // 2026-11-22
    if since < 9 {
        20_261_122 + since
    } else if since < 40 {
        20_261_201 + since - 9
    } else {
        20_270_101 + since - 40
    }
}

/// One statement.
pub type Statement = (String, Vec<Value>);

fn insert(verb: &str, table: &str, columns: &str, values: Vec<Value>) -> Statement {
    let marks = vec!["?"; values.len()].join(", ");
    (format!("{verb} INTO {table} ({columns}) VALUES ({marks})"), values)
}

/// What a frame does, statement by statement.
pub fn statements(frame: &OwnedFrame) -> Vec<Statement> {
    let (_, header, message) = split_command(&frame.command).unwrap();
    let (seq, ns) = (frame.sequence as i64, frame.time_ns as i64);
    let mut out = Vec::new();
    for event in events(&frame.events) {
        match event.unwrap() {
            Event::Config(_) => config(header.kind, message, seq, ns, &mut out),
            Event::Accepted(e) => {
                let c = NewOrder::read(message).unwrap();
                let stop = c.trigger.0 != 0;
                out.push(insert("INSERT", "orders", "order_id, account, symbol, client_id, side, type, time_in_force, stp, post_only, cancel_on_disconnect, reduce_only, close_position, liquidation, price, protection, budget, trigger_price, trigger_direction, trigger_source, display, expire_ns, quantity, executed_quantity, remaining, prevented, cut, unfilled, cost, fee, status, reason, code, code_name, sent_ns, created_sequence, created_ns, sequence, updated_ns", vec![
                    v(e.order.0), v(c.account.0), v(c.symbol.0), v(u128::from(c.client_id).to_string()),
                    n(if c.side == 1 { "BUY" } else { "SELL" }), n(["", "LIMIT", "MARKET", "STOP_LIMIT"][usize::from(c.order_type)]),
                    n(["", "GTC", "GTD", "IOC", "FOK"][usize::from(c.time_in_force)]), n("CANCEL_MAKER"),
                    v(c.flags & 1 != 0), v(c.flags & 8 != 0), v(false), v(false), v(false), if c.price.0 == 0 { Value::Null } else { v(c.price.0) },
                    if c.price.0 == 0 { v(e.price.0) } else { Value::Null },
                    Value::Null, if stop { v(c.trigger.0) } else { Value::Null },
                    some(stop.then_some(if c.trigger_direction == 1 { "RISES_TO" } else { "FALLS_TO" })), some(stop.then_some("LAST")), Value::Null, Value::Null,
                    v(c.quantity.0), v(0i64), v(c.quantity.0), v(0i64), v(0i64), v(0i64), v(0i64), v(0i64), n(if stop { "UNTRIGGERED" } else { "NEW" }), Value::Null, Value::Null, Value::Null,
                    v(c.send_time.0), v(seq), v(ns), v(seq), v(ns),
                ]));
            }
            Event::Trade(e) => {
                let value = e.price.0 * e.quantity.0 * 10;
                out.push(insert("INSERT", "trades", "trade_id, day, symbol, price, quantity, value, taker_side, role, taker_order, maker_order, taker_account, maker_account, taker_fee, maker_fee, sequence, time_ns", vec![
                    v(e.trade.0), v(day(frame.time_ns)), v(e.header.subject), v(e.price.0), v(e.quantity.0), v(value),
                    n(if e.header.a == 1 { "BUY" } else { "SELL" }), n("TAKER"), v(e.taker_order.0), v(e.maker_order.0),
                    v(e.taker_account.0), v(e.maker_account.0), v(e.taker_fee.0), v(e.maker_fee.0), v(seq), v(ns),
                ]));
                let sql = "UPDATE orders SET executed_quantity = executed_quantity + ?, cost = cost + ?, fee = fee + ?, remaining = remaining - ?, status = 'PARTIALLY_FILLED', sequence = ?, updated_ns = ? WHERE order_id = ?";
                for (order, fee) in [(e.taker_order.0, e.taker_fee.0), (e.maker_order.0, e.maker_fee.0)] {
                    out.push((sql.into(), vec![v(e.quantity.0), v(value), v(fee), v(e.quantity.0), v(seq), v(ns), v(order)]));
                }
            }
            Event::Prevented(e) => {
                let sql = "UPDATE orders SET prevented = prevented + ?, remaining = remaining - ?, sequence = ?, updated_ns = ? WHERE order_id = ?";
                for (order, lost) in [(e.taker_order.0, e.taker_quantity.0), (e.maker_order.0, e.maker_quantity.0)] {
                    out.push((sql.into(), vec![v(lost), v(lost), v(seq), v(ns), v(order)]));
                }
            }
            Event::Amended(e) => out.push((
                "UPDATE orders SET price = ?, quantity = ?, remaining = ?, cut = ?, sequence = ?, updated_ns = ? WHERE order_id = ?".into(),
                vec![v(e.price.0), v(e.quantity.0), v(e.remaining.0), v(e.cut.0), v(seq), v(ns), v(e.order.0)],
            )),
            Event::Triggered(e) => out.push((
                "UPDATE orders SET status = 'NEW', sequence = ?, updated_ns = ? WHERE order_id = ?".into(),
                vec![v(seq), v(ns), v(e.order.0)],
            )),
            Event::Expired(e) if e.header.a == EndReason::TriggerFailed.code() => out.push((
                "UPDATE orders SET code = ?, code_name = ? WHERE order_id = ?".into(),
                vec![v(u32::from(e.code)), n(RejectCode::from_code(e.code).unwrap().name()), v(e.order.0)],
            )),
            Event::Busted(e) => out.push(insert("INSERT", "busts", "trade_id, day, symbol, price, quantity, value, buyer, seller, buy_order, sell_order, buyer_fee, seller_fee, sequence, time_ns", vec![
                v(e.trade.0), v(day(frame.time_ns)), v(e.header.subject), v(e.price.0), v(e.quantity.0), v(e.price.0 * e.quantity.0 * 10),
                v(e.buyer.0), v(e.seller.0), v(e.buy_order.0), v(e.sell_order.0), v(e.buyer_fee.0), v(e.seller_fee.0), v(seq), v(ns),
            ])),
            Event::Done(e) => out.push((
                "UPDATE orders SET status = ?, reason = ?, unfilled = ?, remaining = 0, sequence = ?, updated_ns = ? WHERE order_id = ?".into(),
                vec![
                    n(OrderState::from_code(e.header.a).unwrap().name()), some(EndReason::from_code(e.header.b).map(EndReason::name)),
                    v(e.remaining.0), v(seq), v(ns), v(e.order.0),
                ],
            )),
            Event::Balance(e) => out.push(insert("REPLACE", "balances", "account, asset, available, held, sequence, updated_ns", vec![
                v(e.header.subject), v(e.asset.0), v(e.available.0), v(e.held.0), v(seq), v(ns),
            ])),
            Event::Status(e) if e.header.subject == 0 => out.push((
                "UPDATE exchange SET status = ?, sequence = ?, updated_ns = ? WHERE id = 0".into(),
                vec![n(if e.header.a == SymbolStatus::Trading.code() { "TRADING" } else { "CANCEL_ONLY" }), v(seq), v(ns)],
            )),
            Event::Status(e) => out.push((
                "UPDATE symbols SET status = ?, sequence = ?, updated_ns = ? WHERE symbol = ?".into(),
                vec![n(SymbolStatus::from_code(e.header.a).unwrap().name()), v(seq), v(ns), v(e.header.subject)],
            )),
            Event::Transfer(e) if e.header.b == 0 => {
                let kind = if e.header.a == 1 { "DEPOSIT" } else { "WITHDRAW" };
                transfer(frame, [v(e.header.subject), v(e.asset.0), Value::Null, n(kind), n("APPLIED"), v(e.adjustment), v(e.amount.0.abs()), v(e.amount.0), v(e.reference), Value::Null, Value::Null], &mut out);
            }
            Event::Rejected(e) if matches!(header.kind, 72 | 73) => {
                let c = Withdraw::read(message).unwrap();
                let name = RejectCode::from_code(e.code).unwrap().name();
                transfer(frame, [v(c.account.0), v(c.asset.0), Value::Null, n("WITHDRAW"), n("REFUSED"), v(c.adjustment), v(c.amount.0), v(0i64), v(c.reference), v(u32::from(e.code)), n(name)], &mut out);
            }
            Event::Rejected(e) => {
                let mut row = vec![v(seq), v(day(frame.time_ns)), v(e.header.subject)];
                let name = RejectCode::from_code(e.code).unwrap().name();
                let kind = match header.kind { 64 => "NEW_ORDER", 65 => "CANCEL", 81 => "SET_SYMBOL", 85 => "SET_FEES", 86 => "BUST_TRADE", _ => unreachable!() };
                row.extend([n(kind), v(u32::from(e.code)), n(name), v(u128::from(e.client_id).to_string())]);
                let nothing = || Value::Null;
                row.extend(match header.kind {
                    64 => { let c = NewOrder::read(message).unwrap(); [nothing(), v(c.symbol.0), nothing(), n("LIMIT"), v(c.price.0), v(c.quantity.0)] }
                    65 => [v(Cancel::read(message).unwrap().order.0), nothing(), nothing(), nothing(), nothing(), nothing()],
                    86 => { let c = BustTrade::read(message).unwrap(); [nothing(), v(c.symbol.0), nothing(), nothing(), v(c.price.0), v(c.quantity.0)] }
                    _ => [const { Value::Null }; 6],
                });
                row.push(v(ns));
                out.push(insert("INSERT", "rejections", "sequence, day, account, message, code, code_name, client_id, order_id, symbol, side, type, price, quantity, time_ns", row));
            }
            _ => {}
        }
    }
    out
}

fn transfer(frame: &OwnedFrame, middle: [Value; 11], out: &mut Vec<Statement>) {
    let mut row = vec![v(frame.sequence), v(day(frame.time_ns))];
    row.extend(middle);
    row.push(v(frame.time_ns));
    out.push(insert(
        "INSERT",
        "transfers",
        "sequence, day, account, asset, symbol, kind, status, adjustment, amount, booked, reference, code, code_name, time_ns",
        row,
    ));
}

fn config(kind: u8, message: &[u8], seq: i64, ns: i64, out: &mut Vec<Statement>) {
    let stamps = || [v(seq), v(ns), v(seq), v(ns)];
    match kind {
        112 => {
            let row = vec![v(0i64), n("TRADING"), v(seq), v(ns)];
            out.push(insert("INSERT", "exchange", "id, status, sequence, updated_ns", row));
            for (id, name) in [(1u32, "FEES"), (2, "INSURANCE"), (3, "ROUNDING"), (4, "EXTERNAL")] {
                let mut row = vec![v(id), n("SYSTEM"), n(name), v(0u32), v(false)];
                row.extend(stamps());
                out.push(insert(
                    "INSERT",
                    "accounts",
                    "account, kind, name, stp_group, suspended, created_sequence, created_ns, sequence, updated_ns",
                    row,
                ));
            }
        }
        80 => {
            let c = SetAsset::read(message).unwrap();
            let mut row = vec![
                v(c.asset.0),
                v(name_of(&c.name).unwrap().to_owned()),
                v(8i64),
                v(100_000_000i64),
                n("0.000000010000"),
            ];
            row.extend(stamps());
            out.push(insert(
                "INSERT",
                "assets",
                "asset, name, scale, factor, unit, created_sequence, created_ns, sequence, updated_ns",
                row,
            ));
        }
        81 => {
            let c = SetSymbol::read(message).unwrap();
            if c.taker.0 != 100_000 || seq > 10 {
                let sql = "UPDATE symbols SET taker = ?, sequence = ?, updated_ns = ? WHERE symbol = ?";
                out.push((sql.into(), vec![v(c.taker.0), v(seq), v(ns), v(c.symbol.0)]));
                return;
            }
            let mut row = vec![
                v(c.symbol.0),
                v(name_of(&c.name).unwrap().to_owned()),
                v(c.base.0),
                v(c.quote.0),
                n("SPOT"),
                n("TRADING"),
                n("RATE"),
                v(0u32),
                v(1_000i64),
                v(10i64),
                n("0.010000000000000000"),
                v(1i64),
                v(2i64),
                n("0.000010000000"),
                v(1i64),
                v(10_000_000i64),
                v(1i64),
                v(1_000_000i64),
                v(1_000_000i64),
                v(0i64),
                v(0i64),
                v(0i64),
                v(0i64),
                v(100_000i64),
                v(-10_000i64),
                v(200u32),
                v(0u32),
                n("CANCEL_MAKER"),
            ];
            row.extend(stamps());
            out.push(insert("INSERT", "symbols", "symbol, name, base, quote, kind, status, fee_model, fee_group, base_lot, quote_per_tick_lot, tick_size, tick_mantissa, tick_places, lot_size, min_price, max_price, min_quantity, max_quantity, max_market_quantity, min_notional, max_notional, band, slip, taker, maker, max_open_orders, max_trigger_orders, stp, created_sequence, created_ns, sequence, updated_ns", row));
        }
        85 => {
            let c = SetFees::read(message).unwrap();
            let key = || [v(c.account.0), v(u32::from(c.fee_group))];
            let (mut set, mut values) = (String::from("active = 0"), Vec::new());
            if c.removed == 0 {
                set = "active = 1, taker = ?, maker = ?".into();
                values = vec![v(c.taker.0), v(c.maker.0)];
            }
            values.extend([v(seq), v(ns)]);
            values.extend(key());
            let sql = format!(
                "UPDATE fee_schedules SET {set}, sequence = ?, updated_ns = ? WHERE account = ? AND fee_group = ?"
            );
            out.push((sql, values));
            if c.removed == 0 {
                let mut row = key().to_vec();
                row.extend([v(c.taker.0), v(c.maker.0), v(true)]);
                row.extend(stamps());
                row.extend(key());
                let sql = "INSERT INTO fee_schedules (account, fee_group, taker, maker, active, created_sequence, created_ns, sequence, updated_ns) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? FROM (SELECT 1 AS one) x WHERE NOT EXISTS (SELECT 1 FROM fee_schedules WHERE account = ? AND fee_group = ?)";
                out.push((sql.into(), row));
            }
        }
        82 => {
            let c = SetAccount::read(message).unwrap();
            if seq > 38 {
                let sql =
                    "UPDATE accounts SET stp_group = ?, suspended = ?, sequence = ?, updated_ns = ? WHERE account = ?";
                out.push((sql.into(), vec![v(c.group), v(c.suspended != 0), v(seq), v(ns), v(c.account.0)]));
                return;
            }
            let mut row = vec![v(c.account.0), n("CUSTOMER"), Value::Null, v(c.group), v(c.suspended != 0)];
            row.extend(stamps());
            out.push(insert(
                "INSERT",
                "accounts",
                "account, kind, name, stp_group, suspended, created_sequence, created_ns, sequence, updated_ns",
                row,
            ));
        }
        _ => {}
    }
}

/// Applies one frame in a transaction of its own.
pub fn apply(sink: &mut dyn Sink, frame: &OwnedFrame) -> Result<usize, SinkError> {
    let statements = statements(frame);
    sink.begin(false)?;
    for (sql, params) in &statements {
        sink.execute(sql, params)?;
    }
    sink.execute(
        "UPDATE projection SET term = ?, sequence = ?, time_ns = ? WHERE sequence = ?",
        &[v(frame.term), v(frame.sequence), v(frame.time_ns), v(frame.sequence - 1)],
    )?;
    sink.commit()?;
    Ok(statements.len())
}
