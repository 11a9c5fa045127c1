//! Reports of perpetuals (docs/PROTOCOL.md §7): what happens to a position goes to the views that hold its account, and names
//! nobody else; marks, fundings and settlements answer the key that sent them.

use crate::derive::View;
use crate::writer::ReportWriter;
use ringbook_event::Event;
use ringbook_wire::message::Message;
use ringbook_wire::report;
use ringbook_wire::{AccountId, SymbolId};

/// The report of an event of perpetuals, if it is one that the view hears of.
pub(crate) fn derive_perpetual<S: FnMut(&[u8])>(event: &Event, view: &View, own: bool, out: &mut ReportWriter<'_, S>) {
    let holds = |account: u32| view.holds(AccountId(account));
    match event {
        Event::Position(e) if holds(e.header.subject) => out.push(|place| report::Position {
            place,
            account: AccountId(e.header.subject),
            symbol: e.symbol,
            quantity: e.quantity,
            cost: e.cost,
            margin: e.margin,
            leverage: e.leverage,
            mode: e.header.a,
            ..report::Position::new(0)
        }),
        Event::Mark(e) if own => out.push(|place| report::Mark {
            place,
            symbol: SymbolId(e.header.subject),
            how: e.header.b,
            price: e.price,
            feed_time: e.feed_time,
            ..report::Mark::new(0)
        }),
        Event::Funded(e) if own => out.push(|place| report::Funded {
            place,
            symbol: SymbolId(e.header.subject),
            number: e.index,
            rate: e.rate,
            mark: e.mark,
            ..report::Funded::new(0)
        }),
        Event::Funding(e) if holds(e.header.subject) => out.push(|place| report::Funding {
            place,
            account: AccountId(e.header.subject),
            symbol: e.symbol,
            quantity: e.quantity,
            payment: e.payment,
            mode: e.header.a,
            ..report::Funding::new(0)
        }),
        Event::Liquidation(e) if holds(e.header.subject) => out.push(|place| report::Liquidation {
            place,
            account: AccountId(e.header.subject),
            symbol: e.symbol,
            order: e.order,
            quantity: e.quantity,
            position: e.position,
            price: e.price,
            bankruptcy: e.bankruptcy,
            mark: e.mark,
            equity: e.equity,
            mode: e.header.a,
            tier: e.header.b,
            ..report::Liquidation::new(0)
        }),
        Event::Takeover(e) if holds(e.header.subject) => out.push(|place| report::Takeover {
            place,
            account: AccountId(e.header.subject),
            symbol: e.symbol,
            quantity: e.quantity,
            price: e.price,
            pnl: e.pnl,
            mode: e.header.a,
            ..report::Takeover::new(0)
        }),
        Event::Adl(e) if holds(e.header.subject) => out.push(|place| report::Adl {
            place,
            account: AccountId(e.header.subject),
            symbol: e.symbol,
            quantity: e.quantity,
            price: e.price,
            pnl: e.pnl,
            mode: e.header.a,
            ..report::Adl::new(0)
        }),
        Event::Fund(e) if holds(e.header.subject) => out.push(|place| report::Fund {
            place,
            account: AccountId(e.header.subject),
            symbol: e.symbol,
            amount: e.amount,
            asset: e.asset,
            reason: e.header.a,
            ..report::Fund::new(0)
        }),
        Event::Realized(e) if holds(e.header.subject) => out.push(|place| report::Realized {
            place,
            account: AccountId(e.header.subject),
            symbol: e.symbol,
            trade: e.trade,
            order: e.order,
            quantity: e.quantity,
            pnl: e.pnl,
            role: e.header.a,
            ..report::Realized::new(0)
        }),
        Event::Settled(e) if own => out.push(|place| report::Settled {
            place,
            symbol: SymbolId(e.header.subject),
            price: e.price,
            ..report::Settled::new(0)
        }),
        _ => {}
    }
}
