//! The commands of the protocol as typed calls (PROTOCOL §4, §5).
//!
//! Each sends one message and waits for its answer. A refusal by the engine is not an error of the call: it is in the
//! answer, see [`Answer::result`].

use crate::{Answer, Client, ClientError, Key};
use ringbook_wire::message::{
    Amend, BustTrade, Cancel, CancelAll, Deposit, Message, NewOrder, SetAccount, SetAsset, SetFees, SetKey, SetStatus,
    SetSymbol, Withdraw, name_field,
};
use ringbook_wire::{
    AccountId, Amount, AssetId, ClientOrderId, OrderId, Price, Qty, Rate, Sequence, Side, SymbolId, SymbolStatus,
    TradeId,
};

impl Client {
    /// Enters an order. Sent again with the identical body if its answer does not come.
    ///
    /// # Errors
    /// Everything but a refusal of the engine, which is in the answer.
    pub fn new_order(&mut self, order: NewOrder) -> Result<Answer, ClientError> {
        self.command(order)
    }

    /// Cancels an order by the engine's number.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn cancel(&mut self, account: u32, order: OrderId) -> Result<Answer, ClientError> {
        let mut message = Cancel::new(0);
        message.account = AccountId(account);
        message.order = order;
        self.command(message)
    }

    /// Cancels an order by the client's id.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn cancel_by_client_id(&mut self, account: u32, id: ClientOrderId) -> Result<Answer, ClientError> {
        let mut message = Cancel::new(0);
        message.account = AccountId(account);
        message.client_id = id;
        self.command(message)
    }

    /// Amends price and total quantity (the filled part included); `None` leaves a value.
    ///
    /// # Errors
    /// As [`Client::new_order`]; [`ClientError::Unknown`] if the connection broke before the answer.
    pub fn amend(
        &mut self,
        account: u32,
        order: OrderId,
        price: Option<i64>,
        quantity: Option<i64>,
    ) -> Result<Answer, ClientError> {
        let mut message = Amend::new(0);
        message.account = AccountId(account);
        message.order = order;
        message.price = Price(price.unwrap_or(0));
        message.quantity = Qty(quantity.unwrap_or(0));
        self.command(message)
    }

    /// Cancels an account's orders, of one symbol or side if given.
    ///
    /// # Errors
    /// As [`Client::new_order`]; [`ClientError::Unknown`] if the connection broke before the answer.
    pub fn cancel_all(&mut self, account: u32, symbol: Option<u32>, side: Option<Side>) -> Result<Answer, ClientError> {
        let mut message = CancelAll::new(0);
        message.account = AccountId(account);
        message.symbol = SymbolId(symbol.unwrap_or(0));
        message.side = side.map_or(0, Side::code);
        self.command(message)
    }

    /// Credits an account with units of an asset. `adjustment`: see [`Client::next_adjustment`].
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn deposit(
        &mut self,
        account: u32,
        asset: u32,
        amount: i64,
        adjustment: u64,
        reference: u64,
    ) -> Result<Answer, ClientError> {
        let mut message = Deposit::new(0);
        message.account = AccountId(account);
        message.asset = AssetId(asset);
        message.amount = Amount(amount);
        message.adjustment = adjustment;
        message.reference = reference;
        self.command(message)
    }

    /// Debits an account. `adjustment`: see [`Client::next_adjustment`].
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn withdraw(
        &mut self,
        account: u32,
        asset: u32,
        amount: i64,
        adjustment: u64,
        reference: u64,
    ) -> Result<Answer, ClientError> {
        let mut message = Withdraw::new(0);
        message.account = AccountId(account);
        message.asset = AssetId(asset);
        message.amount = Amount(amount);
        message.adjustment = adjustment;
        message.reference = reference;
        self.command(message)
    }

    /// An adjustment number above all that this scheme gave before: the clock, made to rise.
    pub fn next_adjustment(&mut self) -> u64 {
        self.last_adjustment = crate::order::now().0.max(self.last_adjustment + 1);
        self.last_adjustment
    }

    /// Creates an asset.
    ///
    /// # Errors
    /// As [`Client::new_order`]; or the name does not fit 16 printable ASCII characters.
    pub fn set_asset(&mut self, asset: u32, name: &str, scale: u8) -> Result<Answer, ClientError> {
        let mut message = SetAsset::new(0);
        message.asset = AssetId(asset);
        message.scale = scale;
        message.name = name_field(name).ok_or_else(|| bad_name(name, 16))?;
        self.command(message)
    }

    /// Creates or changes a symbol.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn set_symbol(&mut self, symbol: SetSymbol) -> Result<Answer, ClientError> {
        self.command(symbol)
    }

    /// Creates or changes an account.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn set_account(&mut self, account: u32, group: u32, suspended: bool) -> Result<Answer, ClientError> {
        let mut message = SetAccount::new(0);
        message.account = AccountId(account);
        message.group = group;
        message.suspended = u8::from(suspended);
        self.command(message)
    }

    /// Gives an account its own fee rates (1/100,000,000) for the symbols of a fee group; `None` takes them away.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn set_fees(&mut self, account: u32, fee_group: u16, rates: Option<(i64, i64)>) -> Result<Answer, ClientError> {
        let mut message = SetFees::new(0);
        message.account = AccountId(account);
        message.fee_group = fee_group;
        message.removed = u8::from(rates.is_none());
        (message.taker, message.maker) = rates.map_or((Rate(0), Rate(0)), |(taker, maker)| (Rate(taker), Rate(maker)));
        self.command(message)
    }

    /// Begins or ends maintenance of the whole exchange.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn set_maintenance(&mut self, on: bool) -> Result<Answer, ClientError> {
        self.set_status(0, if on { SymbolStatus::CancelOnly } else { SymbolStatus::Trading })
    }

    /// Takes a trade back that the command with this sequence made.
    ///
    /// # Errors
    /// As [`Client::new_order`]; or the journal has no such trade at that sequence.
    pub fn bust_trade(&mut self, trade: u64, sequence: u64) -> Result<Answer, ClientError> {
        let mut message = BustTrade::new(0);
        (message.trade, message.sequence) = (TradeId(trade), Sequence(sequence));
        self.command(message)
    }

    /// Changes a symbol's status.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn set_status(&mut self, symbol: u32, status: SymbolStatus) -> Result<Answer, ClientError> {
        let mut message = SetStatus::new(0);
        message.symbol = SymbolId(symbol);
        message.status = status.code();
        self.command(message)
    }

    /// Makes the public half of a key known, for the accounts of a range; or revokes it.
    ///
    /// # Errors
    /// As [`Client::new_order`].
    pub fn set_key(
        &mut self,
        key: &Key,
        accounts: std::ops::RangeInclusive<u32>,
        revoked: bool,
    ) -> Result<Answer, ClientError> {
        let mut message = SetKey::new(0);
        message.key = key.id();
        message.role = key.role().code();
        message.revoked = u8::from(revoked);
        message.first_account = AccountId(*accounts.start());
        message.last_account = AccountId(*accounts.end());
        message.public_key = key.public();
        self.command(message)
    }
}

fn bad_name(name: &str, limit: usize) -> ClientError {
    ClientError::Request(format!("the name {name:?} is not 1 to {limit} printable ASCII characters without spaces"))
}
