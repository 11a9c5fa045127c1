//! The small numbers of the protocol: sides, types, states, reasons and reject codes.
//!
//! On the wire each is one byte (reject codes two). A byte that names nothing decodes to `None`, never to a default.

/// Defines a one-byte code with its names, numbers and a decoder.
macro_rules! code {
    ($(#[$doc:meta])* $name:ident: $repr:ty { $($(#[$item_doc:meta])* $item:ident = $value:literal $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr($repr)]
        pub enum $name {
            $($(#[$item_doc])* $item = $value,)+
        }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$item,)+];

            /// The code with this number.
            #[inline]
            pub const fn from_code(code: $repr) -> Option<Self> {
                match code {
                    $($value => Some(Self::$item),)+
                    _ => None,
                }
            }

            /// Its number.
            #[inline]
            pub const fn code(self) -> $repr {
                self as $repr
            }

            /// Its name as the documents spell it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$item => $text,)+
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

code! {
    /// Side of an order.
    Side: u8 {
        /// Buys base, pays quote.
        Buy = 1 "BUY",
        /// Sells base, gets quote.
        Sell = 2 "SELL",
    }
}

impl Side {
    /// The side that an order of this side trades with.
    #[inline]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// 0 for buys, 1 for sells: the place in a pair.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize - 1
    }
}

code! {
    /// Order type (DOMAIN §4.1).
    OrderType: u8 {
        /// Trades at its price or better; the rest follows its time in force.
        Limit = 1 "LIMIT",
        /// Trades at once within its protection price (DOMAIN §5.3).
        Market = 2 "MARKET",
        /// Becomes a limit order when triggered.
        StopLimit = 3 "STOP_LIMIT",
        /// Becomes a market order when triggered.
        StopMarket = 4 "STOP_MARKET",
    }
}

code! {
    /// Time in force.
    TimeInForce: u8 {
        /// Good till cancelled.
        Gtc = 1 "GTC",
        /// Good till a date.
        Gtd = 2 "GTD",
        /// Immediate or cancel.
        Ioc = 3 "IOC",
        /// Fill or kill.
        Fok = 4 "FOK",
    }
}

code! {
    /// Self-trade prevention; the taker's mode decides (DOMAIN §4.1).
    StpMode: u8 {
        /// The symbol's default.
        Default = 0 "DEFAULT",
        /// Trades with itself.
        None = 1 "NONE",
        /// The taker ends (newest).
        CancelTaker = 2 "CANCEL_TAKER",
        /// The maker ends (oldest).
        CancelMaker = 3 "CANCEL_MAKER",
        /// Both end.
        CancelBoth = 4 "CANCEL_BOTH",
        /// Both lose the smaller quantity without a trade.
        Decrement = 5 "DECREMENT",
    }
}

code! {
    /// Status of a symbol (DOMAIN §2).
    SymbolStatus: u8 {
        /// Collects orders for the uncross.
        PreOpen = 1 "PRE_OPEN",
        /// Everything goes.
        Trading = 2 "TRADING",
        /// Cancels only; nothing matches.
        Halted = 3 "HALTED",
        /// Cancels only; liquidation may take over.
        CancelOnly = 4 "CANCEL_ONLY",
        /// Final.
        Closed = 5 "CLOSED",
    }
}

code! {
    /// State of an order (DOMAIN §4.2).
    OrderState: u8 {
        /// Refused; final.
        Rejected = 1 "REJECTED",
        /// Waits for its trigger.
        Untriggered = 2 "UNTRIGGERED",
        /// Rests without a fill.
        New = 3 "NEW",
        /// Rests after a fill.
        PartiallyFilled = 4 "PARTIALLY_FILLED",
        /// Nothing is left; final.
        Filled = 5 "FILLED",
        /// Cancelled on request; final.
        Canceled = 6 "CANCELED",
        /// Ended by a rule; final.
        Expired = 7 "EXPIRED",
        /// Ended by self-trade prevention; final.
        ExpiredStp = 8 "EXPIRED_STP",
    }
}

impl OrderState {
    /// Whether an order in this state can still trade.
    #[inline]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Untriggered | Self::New | Self::PartiallyFilled)
    }
}

code! {
    /// Why an order was cancelled or expired (DOMAIN §4.3). 0 in a field means "none".
    EndReason: u8 {
        /// The client asked.
        User = 1 "USER",
        /// Cancel-all.
        Mass = 2 "MASS",
        /// The session's grace period ended.
        Session = 3 "SESSION",
        /// Good-till time came.
        Time = 16 "TIME",
        /// Rest of an immediate-or-cancel order.
        Ioc = 17 "IOC",
        /// Fill-or-kill that could not be filled.
        Fok = 18 "FOK",
        /// The book ran out.
        NoLiquidity = 19 "NO_LIQUIDITY",
        /// Levels remain beyond the protection price.
        Protection = 20 "PROTECTION",
        /// The budget does not buy one lot.
        Budget = 21 "BUDGET",
        /// Reduce-only order without a position.
        ReduceOnly = 22 "REDUCE_ONLY",
        /// Margin no longer suffices.
        Margin = 23 "MARGIN",
        /// The order failed its checks when triggered.
        TriggerFailed = 24 "TRIGGER_FAILED",
        /// Liquidation of the account.
        Liquidation = 25 "LIQUIDATION",
        /// Auto-deleveraging.
        Adl = 26 "ADL",
        /// The symbol closed.
        Status = 27 "STATUS",
        /// Self-trade prevention took all that remained.
        Stp = 28 "STP",
        /// Matching it crashed the engine; it was set aside.
        Fault = 29 "FAULT",
    }
}

code! {
    /// Reject codes (DOMAIN §4.4), checked in the order that §4.4 gives.
    RejectCode: u16 {
        /// The message is not whole or combines what §4.1 does not list.
        BadRequest = 100 "BAD_REQUEST",
        /// No such account, or the sender may not act for it.
        UnknownAccount = 102 "UNKNOWN_ACCOUNT",
        /// The account may only cancel, deposit and reduce.
        AccountSuspended = 103 "ACCOUNT_SUSPENDED",
        /// No such asset.
        UnknownAsset = 104 "UNKNOWN_ASSET",
        /// No such symbol.
        UnknownSymbol = 105 "UNKNOWN_SYMBOL",
        /// The symbol's status does not allow it.
        SymbolStatus = 106 "SYMBOL_STATUS",
        /// The whole exchange is in maintenance (Ringbook's own code; docs/EVENTS.md, Configuration).
        Maintenance = 107 "MAINTENANCE",
        /// Price outside the symbol's limits.
        PriceRange = 200 "PRICE_RANGE",
        /// Price outside the band around the reference.
        PriceBand = 201 "PRICE_BAND",
        /// Quantity outside the symbol's limits.
        QtyRange = 202 "QTY_RANGE",
        /// Value outside the symbol's limits.
        Notional = 203 "NOTIONAL",
        /// Display quantity.
        BadDisplay = 205 "BAD_DISPLAY",
        /// STP mode not allowed here.
        BadStp = 206 "BAD_STP",
        /// Expiry not in the future.
        BadExpiry = 207 "BAD_EXPIRY",
        /// The trigger condition already holds.
        TriggerImmediate = 208 "TRIGGER_IMMEDIATE",
        /// The client id is in use with another payload.
        DuplicateClientId = 209 "DUPLICATE_CLIENT_ID",
        /// The account's open orders of the symbol reach the limit.
        TooManyOrders = 210 "TOO_MANY_ORDERS",
        /// Older than what the dedupe ring still knows: look at your state.
        StaleRequest = 211 "STALE_REQUEST",
        /// The position would exceed its limit.
        PositionLimit = 212 "POSITION_LIMIT",
        /// Not enough available balance.
        InsufficientBalance = 300 "INSUFFICIENT_BALANCE",
        /// Not enough margin.
        InsufficientMargin = 301 "INSUFFICIENT_MARGIN",
        /// Leverage too high for the size.
        TierLeverage = 302 "TIER_LEVERAGE",
        /// Reduce-only without an opposite position.
        ReduceOnly = 303 "REDUCE_ONLY",
        /// The symbol is in reduce-only mode.
        ReduceOnlyMode = 304 "REDUCE_ONLY_MODE",
        /// No mark price, or a stale one.
        NoMark = 305 "NO_MARK",
        /// Post-only order would trade.
        PostOnlyCross = 400 "POST_ONLY_CROSS",
        /// No such open order.
        UnknownOrder = 401 "UNKNOWN_ORDER",
        /// New total not above what is filled.
        AmendQty = 402 "AMEND_QTY",
        /// The amendment changes nothing.
        AmendNothing = 403 "AMEND_NOTHING",
        /// Adjustment number is not above the last.
        AdjustmentOld = 500 "ADJUSTMENT_OLD",
        /// Amount not allowed.
        Amount = 501 "AMOUNT",
        /// The asset's supply would exceed its bound.
        SupplyLimit = 502 "SUPPLY_LIMIT",
        /// The account still holds something.
        HasPositionOrOrders = 503 "HAS_POSITION_OR_ORDERS",
        /// Leverage outside its limits.
        LeverageRange = 504 "LEVERAGE_RANGE",
        /// Feed time did not rise.
        MarkOld = 600 "MARK_OLD",
        /// Mark jumped too far.
        MarkJump = 601 "MARK_JUMP",
        /// Funding index or time is wrong.
        FundingTime = 602 "FUNDING_TIME",
        /// The configuration is not consistent.
        BadConfig = 603 "BAD_CONFIG",
        /// No such trade, or it was busted before (Ringbook's own code).
        BadTrade = 604 "BAD_TRADE",
        /// The engine failed on this command once; it was set aside (Ringbook's own code).
        EngineFault = 900 "ENGINE_FAULT",
    }
}

code! {
    /// Which way the reference price must go to trigger an order (DOMAIN §4.1). 0 in a field means "no trigger".
    TriggerDirection: u8 {
        /// Reference at or above the trigger.
        RisesTo = 1 "RISES_TO",
        /// Reference at or below the trigger.
        FallsTo = 2 "FALLS_TO",
    }
}

code! {
    /// What triggers look at. 0 in a field means "no trigger".
    TriggerSource: u8 {
        /// The symbol's last trade price.
        Last = 1 "LAST",
        /// The mark price (perpetual only).
        Mark = 2 "MARK",
    }
}

code! {
    /// What a key may do (DESIGN §5).
    Role: u8 {
        /// Orders of its accounts.
        Trade = 1 "trade",
        /// Reads the reports of its accounts (drop copy).
        ReadOnly = 2 "readonly",
        /// Deposits and withdrawals.
        Funds = 3 "funds",
        /// Assets, symbols, accounts, keys, status.
        Admin = 4 "admin",
        /// Mark prices and funding.
        Feed = 5 "feed",
    }
}

code! {
    /// How trading fees are computed (DOMAIN §3.3).
    FeeModel: u8 {
        /// By value, with carry.
        Rate = 1 "RATE",
        /// Constant units per lot; comparison runs only.
        PerLot = 2 "PER_LOT",
    }
}

code! {
    /// Kind of instrument.
    SymbolKind: u8 {
        /// Spot pair.
        Spot = 1 "SPOT",
        /// Linear perpetual.
        Perpetual = 2 "PERPETUAL",
    }
}

code! {
    /// What backs a position (DOMAIN §6.1).
    MarginMode: u8 {
        /// The futures wallet, together with all cross positions of the settlement asset.
        Cross = 1 "CROSS",
        /// Its own margin.
        Isolated = 2 "ISOLATED",
    }
}

code! {
    /// Why money went into or out of the insurance fund (DOMAIN §6.6).
    FundReason: u8 {
        /// Liquidation fee of a stage.
        Fee = 1 "FEE",
        /// What a takeover left of a bucket, or lacked.
        Residual = 2 "RESIDUAL",
        /// The fund paid what an account without cross positions lacked.
        Deficit = 3 "DEFICIT",
        /// The fund kept lots that neither its capacity nor auto-deleveraging covers.
        Uncovered = 4 "UNCOVERED",
    }
}

code! {
    /// Wallets of an account.
    Wallet: u8 {
        /// Spot.
        Spot = 1 "SPOT",
        /// Futures: backs perpetuals.
        Futures = 2 "FUTURES",
    }
}

code! {
    /// Why the gateway did not take a command (message BUSY). It was not executed; send it again.
    BusyReason: u8 {
        /// The input ring is full.
        RingFull = 1 "RING_FULL",
        /// The key's rate limit.
        RateLimit = 2 "RATE_LIMIT",
        /// Too many requests of this session are unanswered.
        Outstanding = 3 "OUTSTANDING",
        /// The journal does not accept new work (disk full or failed).
        ReadOnly = 4 "READ_ONLY",
        /// The exchange is shutting down.
        ShuttingDown = 5 "SHUTTING_DOWN",
        /// The key's role or account range does not allow it; sending it again will not help.
        NotEntitled = 6 "NOT_ENTITLED",
        /// The journal has no such trade at that sequence, or not with these details; sending it again will not help.
        NoSuchTrade = 7 "NO_SUCH_TRADE",
    }
}

code! {
    /// Why the gateway closes a connection (message ERROR).
    SessionError: u8 {
        /// Header length out of bounds or not the length of its type.
        BadLength = 1 "BAD_LENGTH",
        /// No such message type for a client.
        BadType = 2 "BAD_TYPE",
        /// Version not spoken here.
        BadVersion = 3 "BAD_VERSION",
        /// Anything but LOGON before logon, or LOGON again.
        NotLoggedOn = 4 "NOT_LOGGED_ON",
        /// No heartbeat within three intervals.
        Timeout = 5 "TIMEOUT",
        /// The client did not read its reports.
        SlowReader = 6 "SLOW_READER",
        /// The same session logged on again elsewhere.
        Replaced = 7 "REPLACED",
        /// The server is shutting down.
        ShuttingDown = 8 "SHUTTING_DOWN",
        /// Unknown key or wrong signature, or the key was revoked.
        BadCredentials = 9 "BAD_CREDENTIALS",
        /// The connection limit is reached.
        TooManyConnections = 10 "TOO_MANY_CONNECTIONS",
        /// A reserved byte was not zero, or a logon field is out of bounds.
        BadField = 11 "BAD_FIELD",
        /// The resume token names a sequence that does not exist.
        BadToken = 12 "BAD_TOKEN",
        /// The history that the token needs is no longer kept; log on for state.
        HistoryGone = 13 "HISTORY_GONE",
    }
}

code! {
    /// Whether a fill took or made liquidity.
    Liquidity: u8 {
        /// Took it.
        Taker = 1 "TAKER",
        /// Made it.
        Maker = 2 "MAKER",
        /// Neither: the uncross, where both pay the taker's rate.
        Uncross = 3 "UNCROSS",
    }
}

/// Bits of the `flags` field of a new order.
pub mod order_flags {
    /// Refused if it would trade at once.
    pub const POST_ONLY: u16 = 1;
    /// Only reduces a position (perpetual).
    pub const REDUCE_ONLY: u16 = 2;
    /// Closes the whole position when triggered (perpetual).
    pub const CLOSE_POSITION: u16 = 4;
    /// Ends when the session is gone for longer than its grace period.
    pub const CANCEL_ON_DISCONNECT: u16 = 8;
    /// All that are defined.
    pub const ALL: u16 = POST_ONLY | REDUCE_ONLY | CLOSE_POSITION | CANCEL_ON_DISCONNECT;
}
