//! What a BUST_TRADE says of its trade, held against the journal: nobody can take back what never was.
//!
//! Invariant: the command that reaches the engine names trade, parties, price, quantity and fees exactly as the TRADE event
//! at its `sequence` does.

use ringbook_event::{Event, Trade, events};
use ringbook_journal::Watermarks;
use ringbook_wire::message::BustTrade;
use ringbook_wire::{AccountId, Sequence, Side, SymbolId};

/// The command with everything that the journal says of its trade. `None`: there is no such trade at its sequence, or it
/// was not as the command says. A command that names no party asks for what the journal says.
pub fn as_journaled(watermarks: &Watermarks, asked: &BustTrade) -> Option<BustTrade> {
    let sequence = ringbook_journal::Sequence(asked.sequence.0);
    let held = watermarks.oldest().0.max(1)..=watermarks.committed().0;
    if !held.contains(&asked.sequence.0) {
        return None;
    }
    let mut reader = watermarks.reader(sequence);
    let frame = match reader.next(sequence) {
        Ok(frame) => frame?,
        Err(error) => {
            tracing::error!(%error, sequence = asked.sequence.0, "a trade cannot be looked up");
            return None;
        }
    };
    let found = events(frame.events).map_while(Result::ok).find_map(|event| match event {
        Event::Trade(trade) if trade.trade == asked.trade => Some(trade),
        _ => None,
    });
    agree(asked, &bust_of(asked, &found?))
}

/// The command that takes a trade back; request number and reserved fields are those of `asked`.
fn bust_of(asked: &BustTrade, trade: &Trade) -> BustTrade {
    let taker = (trade.taker_account, trade.taker_order, trade.taker_fee);
    let maker = (trade.maker_account, trade.maker_order, trade.maker_fee);
    let taker_buys = trade.header.a == Side::Buy.code();
    let (buy, sell) = if taker_buys { (taker, maker) } else { (maker, taker) };
    BustTrade {
        symbol: SymbolId(trade.header.subject),
        price: trade.price,
        quantity: trade.quantity,
        buyer: buy.0,
        buy_order: buy.1,
        buyer_fee: buy.2,
        seller: sell.0,
        sell_order: sell.1,
        seller_fee: sell.2,
        ..*asked
    }
}

fn agree(asked: &BustTrade, journaled: &BustTrade) -> Option<BustTrade> {
    let empty = BustTrade { trade: asked.trade, sequence: asked.sequence, reserved: asked.reserved, ..blank(asked) };
    let asks = (asked.buyer, asked.seller) == (AccountId(0), AccountId(0)) && *asked == empty;
    (asks || asked == journaled).then_some(*journaled)
}

/// The message with nothing in it.
fn blank(asked: &BustTrade) -> BustTrade {
    use ringbook_wire::message::Message;
    BustTrade { header: asked.header, sequence: Sequence(0), ..BustTrade::new(0) }
}
