//! What the operator does: configuration, money, status, busts; and commands that are refused.

use super::{K, LOT, USDT, World};
use ringbook_event::{Transfer, *};
use ringbook_wire::message::*;
use ringbook_wire::*;

impl World {
    pub(super) fn config<M: Message>(&mut self, message: M, id: u32) {
        self.event(Config { header: Config::header(M::KIND, 0, id), reserved: 0 });
        self.commit(&message);
    }

    pub(super) fn begin(&mut self) {
        self.config(Genesis { rules: 1, max_orders: 1_000_000, ..Genesis::new(0) }, 0);
        for (id, name) in [(USDT, "USDT"), (2, "BTC"), (3, "ETH")] {
            let asset = SetAsset { asset: AssetId(id), scale: 8, name: name_field(name).unwrap(), ..SetAsset::new(0) };
            self.config(asset, id);
        }
        for (id, base, name) in [(1, 2, "BTC/USDT"), (2, 3, "ETH/USDT")] {
            self.config(symbol(id, base, name), id);
        }
        for account in 16..16 + self.accounts {
            self.account(account, 0);
            for asset in 1..=3 {
                self.deposit(account, asset, 1_000_000_000_000_000);
            }
        }
    }

    pub(super) fn account(&mut self, account: u32, suspended: u8) {
        self.config(SetAccount { account: AccountId(account), suspended, ..SetAccount::new(0) }, account);
    }

    pub(super) fn deposit(&mut self, account: u32, asset: u32, amount: i64) {
        let adjustment = {
            let n = self.adjustments.entry(account).or_default();
            *n += 1;
            *n
        };
        // References are the operator's own numbers: any 64 bits.
        let reference = if self.random(2) == 0 { u64::MAX - adjustment } else { adjustment };
        let header = Transfer::header(if amount > 0 { 1 } else { 2 }, 0, account);
        self.event(Transfer {
            header,
            asset: AssetId(asset),
            code: 0,
            reserved: 0,
            adjustment,
            amount: Amount(amount),
            reference,
        });
        self.add(account, asset, amount, 0);
        self.add(4, asset, -amount, 0);
        if amount > 0 {
            self.commit(&Deposit {
                account: AccountId(account),
                asset: AssetId(asset),
                adjustment,
                amount: Amount(amount),
                reference,
                ..Deposit::new(0)
            });
        } else {
            self.commit(&Withdraw {
                account: AccountId(account),
                asset: AssetId(asset),
                adjustment,
                amount: Amount(-amount),
                reference,
                ..Withdraw::new(0)
            });
        }
    }

    pub(super) fn symbol_status(&mut self) {
        let symbol = 1 + self.random(2) as u32;
        let status = 2 + self.random(3) as u8;
        self.event(Status { header: Status::header(status, 2, symbol), reserved: 0 });
        self.commit(&SetStatus { symbol: SymbolId(symbol), status, ..SetStatus::new(0) });
    }

    pub(super) fn exchange_status(&mut self) {
        let code = |maintenance| if maintenance { SymbolStatus::CancelOnly } else { SymbolStatus::Trading }.code();
        let before = code(self.maintenance);
        self.maintenance = self.random(2) == 0;
        let status = code(self.maintenance);
        self.event(Status { header: Status::header(status, before, 0), reserved: 0 });
        self.commit(&SetStatus { symbol: SymbolId(0), status, ..SetStatus::new(0) });
    }

    /// Sets own rates, or removes some that may not be there.
    pub(super) fn set_fees(&mut self) {
        let (account, group) = (16 + self.random(self.accounts.into()) as u32, self.random(2) as u16);
        let removed = u8::from(self.random(3) == 0);
        let (taker, maker) = (self.random(200_000) as i64, self.random(100_000) as i64 - 50_000);
        if removed == 1 {
            self.fees.remove(&(account, group.into()));
        } else {
            self.fees.insert((account, group.into()), (taker, maker));
        }
        let (taker, maker) = (Rate(taker), Rate(maker));
        let command =
            SetFees { account: AccountId(account), fee_group: group, removed, taker, maker, ..SetFees::new(0) };
        self.config(command, account);
    }

    /// Takes back a trade.
    pub(super) fn bust(&mut self) {
        if self.trades.is_empty() {
            return;
        }
        let at = self.random(self.trades.len() as u64) as usize;
        let (trade, sequence) = self.trades.swap_remove(at);
        let symbol = trade.header.subject;
        let (lots, value) = (trade.quantity.0 * LOT, trade.price.0 * trade.quantity.0 * K);
        self.add(trade.buyer.0, symbol + 1, -lots, 0);
        self.add(trade.seller.0, symbol + 1, lots, 0);
        self.add(trade.buyer.0, USDT, value + trade.buyer_fee.0, 0);
        self.add(trade.seller.0, USDT, trade.seller_fee.0 - value, 0);
        self.add(1, USDT, -trade.buyer_fee.0 - trade.seller_fee.0, 0);
        self.busted.insert(trade.trade.0);
        self.event(trade);
        self.commit(&BustTrade {
            trade: trade.trade,
            symbol: SymbolId(symbol),
            price: trade.price,
            quantity: trade.quantity,
            buyer: trade.buyer,
            seller: trade.seller,
            buy_order: trade.buy_order,
            sell_order: trade.sell_order,
            buyer_fee: trade.buyer_fee,
            seller_fee: trade.seller_fee,
            sequence: Sequence(sequence),
            ..BustTrade::new(0)
        });
    }

    pub(super) fn refused(&mut self) {
        let account = 16 + self.random(self.accounts.into()) as u32;
        let reject = |code: RejectCode, kind: u8, client: u128| Rejected {
            header: Rejected::header(kind, 0, account),
            code: code.code(),
            reserved: [0; 6],
            client_id: client.into(),
        };
        match self.random(7) {
            0 => {
                self.event(reject(RejectCode::InsufficientBalance, 73, 0));
                let amount = Amount(if self.random(2) == 0 { i64::MAX } else { i64::MIN });
                self.commit(&Withdraw {
                    account: AccountId(account),
                    asset: AssetId(2),
                    adjustment: u64::MAX,
                    amount,
                    reference: 7,
                    ..Withdraw::new(0)
                });
            }
            1 => {
                self.event(reject(RejectCode::UnknownOrder, 65, 0));
                self.commit(&Cancel { account: AccountId(account), order: OrderId(u64::MAX), ..Cancel::new(0) });
            }
            2 => {
                let code = Transfer {
                    header: Transfer::header(1, 1, account),
                    asset: AssetId(1),
                    code: 0,
                    reserved: 0,
                    adjustment: 1,
                    amount: Amount(5),
                    reference: 0,
                };
                self.event(code);
                self.commit(&Deposit {
                    account: AccountId(account),
                    asset: AssetId(1),
                    adjustment: 1,
                    amount: Amount(5),
                    ..Deposit::new(0)
                });
            }
            3 => {
                self.event(reject(RejectCode::BadConfig, 81, 0));
                self.commit(&symbol(9, 77, "BAD/BAD"));
            }
            4 => {
                let mut event = reject(RejectCode::BadTrade, 86, 0);
                event.header.subject = 0;
                self.event(event);
                let (trade, symbol) = (TradeId(u64::MAX), SymbolId(2));
                self.commit(&BustTrade { trade, symbol, price: Price(-7), quantity: Qty(9), ..BustTrade::new(0) });
            }
            5 => {
                self.event(reject(RejectCode::BadConfig, 85, 0));
                self.commit(&SetFees { account: AccountId(account), fee_group: 1, removed: 2, ..SetFees::new(0) });
            }
            _ => {
                self.event(reject(RejectCode::QtyRange, 64, u128::MAX));
                self.commit(&NewOrder {
                    account: AccountId(account),
                    symbol: SymbolId(1),
                    client_id: u128::MAX.into(),
                    quantity: Qty(i64::MAX),
                    side: 9,
                    order_type: 1,
                    ..NewOrder::new(0)
                });
            }
        }
    }
}

pub(super) fn symbol(id: u32, base: u32, name: &str) -> SetSymbol {
    SetSymbol {
        symbol: SymbolId(id),
        base: AssetId(base),
        quote: AssetId(USDT),
        kind: 1,
        fee_model: 1,
        name: name_field(name).unwrap(),
        base_lot: Amount(LOT),
        quote_per_tick_lot: Amount(K),
        min_price: Price(1),
        max_price: Price(10_000_000),
        min_quantity: Qty(1),
        max_quantity: Qty(1_000_000),
        max_market_quantity: Qty(1_000_000),
        taker: Rate(100_000),
        maker: Rate(-10_000),
        max_open_orders: 200,
        stp: 3,
        status: 2,
        ..SetSymbol::new(0)
    }
}
