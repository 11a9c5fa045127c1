//! Stop orders: which are triggered, in which order they run, and what is checked then (DOMAIN §5.4, EVENTS "stop
//! orders").
//!
//! Invariants: after each command no untriggered order of a symbol has a condition that holds; every order is
//! triggered at most once, so a cascade ends.

use crate::Oracle;
use crate::checks::Request;
use crate::state::Order;
use ringbook_event::{Record, Triggered};
use ringbook_wire::{EndReason, OrderId, OrderType, Price, SymbolId, TriggerDirection, TriggerSource};

impl Oracle {
    /// Runs the order at the head of the FIFO, unless it has ended since it came there. False if there was none.
    pub(crate) fn run_first_stop(&mut self) -> bool {
        let Some(id) = self.fifo.pop_front() else {
            return false;
        };
        if let Some(order) = self.orders.get(&id) {
            let symbol = order.symbol;
            self.run_stop(id);
            self.append_triggered(symbol, TriggerSource::Last);
        }
        true
    }

    /// The untriggered orders of a symbol: those that look at the last trade, then those that look at the mark; FALLS_TO from the highest trigger on, then RISES_TO from the lowest on, equal
    /// ones by acceptance.
    pub(crate) fn untriggered(&self, symbol: u32) -> Vec<&Order> {
        let mut waiting: Vec<&Order> =
            self.orders.values().filter(|order| order.symbol == symbol && order.trigger.is_some()).collect();
        waiting.sort_by_key(|order| {
            let trigger = order.trigger.expect("filtered");
            match trigger.direction {
                TriggerDirection::FallsTo => (trigger.source, 0, -trigger.price, order.id),
                TriggerDirection::RisesTo => (trigger.source, 1, trigger.price, order.id),
            }
        });
        waiting
    }

    /// Moves the orders that look at `source` and whose condition holds to the end of the FIFO.
    pub(crate) fn append_triggered(&mut self, id: u32, source: TriggerSource) {
        let symbol = &self.symbols[&id];
        let holds =
            |order: &&Order| order.trigger.is_some_and(|trigger| trigger.source == source && symbol.triggers(trigger));
        let ids: Vec<u64> = self.untriggered(id).into_iter().filter(holds).map(|order| order.id).collect();
        for id in ids {
            self.orders.get_mut(&id).expect("it waits").trigger = None;
            self.fifo.push_back(id);
        }
    }

    /// TRIGGERED; then the order fails its checks, or runs as the LIMIT or MARKET order that it has become.
    fn run_stop(&mut self, id: u64) {
        let order = &self.orders[&id];
        let order_type = match order.order_type {
            OrderType::StopLimit => OrderType::Limit,
            _ => OrderType::Market,
        };
        let request = Request::of_triggered(order, order_type);
        let price = self.price_of(&request);
        self.events.push(
            Triggered {
                header: Triggered::header(order.side.code(), order_type.code(), order.account),
                order: OrderId(id),
                symbol: SymbolId(order.symbol),
                reserved: 0,
                price: Price(crate::money::narrow(price)),
            }
            .into(),
        );
        let admitted = match self.check_triggered(&request, id) {
            Ok(admitted) => admitted,
            Err(code) => {
                self.expire_with(id, EndReason::TriggerFailed, code.code());
                return;
            }
        };
        let order = self.orders.get_mut(&id).expect("it is open");
        order.order_type = order_type;
        order.price = price;
        if self.symbols[&order.symbol].perpetual.is_some() {
            self.take_lots(id, &admitted);
        }
        self.execute(id);
    }
}
