//! The command file: one command a line, read by both sides (README.md draws the lines).
//!
//! Invariants: a command's text reads back as the command; a line that is none is an error that names what it lacks.
//! Order ids are unique over all symbols and users, but for the duplicates that are sent on purpose.

use ringbook_wire::Side;
use std::fmt;
use std::str::FromStr;

/// A spot symbol with fees per lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Its id.
    pub symbol: u32,
    /// Base asset.
    pub base: u32,
    /// Quote asset.
    pub quote: u32,
    /// Base units in a lot.
    pub base_lot: i64,
    /// Quote units in one tick × one lot (DOMAIN §1, `K`).
    pub k: i64,
    /// Quote units per lot, taker.
    pub taker: i64,
    /// Quote units per lot, maker; at most `taker`, because exchange-core holds the taker's fee for every bid.
    pub maker: i64,
}

impl Terms {
    /// What a bid of `size` lots holds (DOMAIN §3.4 with fees per lot).
    pub fn hold(&self, price: i64, size: i64) -> i128 {
        i128::from(size) * (i128::from(price) * i128::from(self.k) + i128::from(self.taker))
    }
}

/// An order to place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose.
    pub user: u32,
    /// Where.
    pub symbol: u32,
    /// Its id: exchange-core's order id, Ringbook's client id.
    pub order: u64,
    /// IOC; otherwise GTC.
    pub ioc: bool,
    /// Buy or sell.
    pub side: Side,
    /// Limit in ticks; also the reserve price of a bid.
    pub price: i64,
    /// Lots.
    pub size: i64,
    /// Ringbook's mode is CANCEL_TAKER instead of NONE; exchange-core has none and does not read this.
    pub stp: bool,
}

/// One line of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Defines a symbol.
    Symbol(Terms),
    /// Adds a user.
    User(u32),
    /// Adds to a balance, or takes from it.
    Adjust {
        /// Whose.
        user: u32,
        /// What.
        asset: u32,
        /// Units; negative takes.
        amount: i64,
        /// Rises per user.
        number: u64,
    },
    /// Places an order.
    Place(Place),
    /// Cancels an order.
    Cancel {
        /// Who asks.
        user: u32,
        /// Symbol of the order.
        symbol: u32,
        /// Which.
        order: u64,
    },
    /// Moves an order to another price.
    Move {
        /// Who asks.
        user: u32,
        /// Symbol of the order.
        symbol: u32,
        /// Which.
        order: u64,
        /// New limit.
        price: i64,
    },
    /// Takes lots from an order.
    Reduce {
        /// Who asks.
        user: u32,
        /// Symbol of the order.
        symbol: u32,
        /// Which.
        order: u64,
        /// How many.
        by: i64,
    },
    /// exchange-core settles what came before; nothing for Ringbook, which always has.
    Settle,
    /// Asks for balances, open orders, fees and adjustments.
    State,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symbol(Terms { symbol, base, quote, base_lot, k, taker, maker }) => {
                write!(f, "S {symbol} {base} {quote} {base_lot} {k} {taker} {maker}")
            }
            Self::User(user) => write!(f, "U {user}"),
            Self::Adjust { user, asset, amount, number } => write!(f, "D {user} {asset} {amount} {number}"),
            Self::Place(Place { user, symbol, order, ioc, side, price, size, stp }) => {
                let (tif, side) = (if *ioc { "IOC" } else { "GTC" }, side.name());
                write!(f, "P {user} {symbol} {order} {tif} {side} {price} {size}")?;
                f.write_str(if *stp { " STP" } else { "" })
            }
            Self::Cancel { user, symbol, order } => write!(f, "C {user} {symbol} {order}"),
            Self::Move { user, symbol, order, price } => write!(f, "M {user} {symbol} {order} {price}"),
            Self::Reduce { user, symbol, order, by } => write!(f, "R {user} {symbol} {order} {by}"),
            Self::Settle => f.write_str("G"),
            Self::State => f.write_str("Q"),
        }
    }
}

/// The fields of a line, taken one by one.
struct Fields<'a>(std::str::Split<'a, char>);

impl<'a> Fields<'a> {
    fn word(&mut self) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| "a field is missing".to_owned())
    }

    fn number<T: FromStr>(&mut self) -> Result<T, String> {
        let word = self.word()?;
        word.parse().map_err(|_| format!("{word} is not a number that fits its field"))
    }

    fn either<T>(&mut self, one: (&str, T), other: (&str, T)) -> Result<T, String> {
        match self.word()? {
            word if word == one.0 => Ok(one.1),
            word if word == other.0 => Ok(other.1),
            word => Err(format!("{word} is neither {} nor {}", one.0, other.0)),
        }
    }
}

impl FromStr for Command {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut f = Fields(line.split(' '));
        let command = match f.word()? {
            "S" => Self::Symbol(Terms {
                symbol: f.number()?,
                base: f.number()?,
                quote: f.number()?,
                base_lot: f.number()?,
                k: f.number()?,
                taker: f.number()?,
                maker: f.number()?,
            }),
            "U" => Self::User(f.number()?),
            "D" => Self::Adjust { user: f.number()?, asset: f.number()?, amount: f.number()?, number: f.number()? },
            "P" => Self::Place(Place {
                user: f.number()?,
                symbol: f.number()?,
                order: f.number()?,
                ioc: f.either(("GTC", false), ("IOC", true))?,
                side: f.either(("BUY", Side::Buy), ("SELL", Side::Sell))?,
                price: f.number()?,
                size: f.number()?,
                stp: match f.0.next() {
                    None => false,
                    Some("STP") => true,
                    Some(word) => return Err(format!("{word} is not STP")),
                },
            }),
            "C" => Self::Cancel { user: f.number()?, symbol: f.number()?, order: f.number()? },
            "M" => Self::Move { user: f.number()?, symbol: f.number()?, order: f.number()?, price: f.number()? },
            "R" => Self::Reduce { user: f.number()?, symbol: f.number()?, order: f.number()?, by: f.number()? },
            "G" => Self::Settle,
            "Q" => Self::State,
            word => return Err(format!("{word} is no command")),
        };
        match f.0.next() {
            None => Ok(command),
            Some(word) => Err(format!("{word} is one field too many")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back() {
        for line in [
            "S 1 2 3 1000000 10000 1900 700",
            "U 100",
            "D 100 3 -5 7",
            "P 100 1 9 GTC BUY 11500 30",
            "P 100 1 9 IOC SELL 11500 30 STP",
            "C 100 1 9",
            "M 100 1 9 11400",
            "R 100 1 9 0",
            "G",
            "Q",
        ] {
            assert_eq!(line.parse::<Command>().unwrap().to_string(), line);
        }
        for line in ["", "X", "C 1 2", "C 1 2 3 4", "P 1 1 9 FOK BUY 1 1", "P 1 1 9 GTC BUY 1 1 SLOW", "U -1"] {
            assert!(line.parse::<Command>().is_err(), "{line}");
        }
    }
}
