//! The result file's lines for commands (README.md draws them). exchange-core's side writes the same words.
//!
//! Invariant: two sides agree on a command if and only if their lines are the same text, once the names of differences
//! are taken off and the comparison has put the parts into exchange-core's order (`compare.rs`).

use crate::difference::Difference;
use ringbook_wire::RejectCode;
use std::fmt;

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Done.
    Ok,
    /// Not enough available.
    NoFunds,
    /// No open order of this user has this id.
    UnknownOrder,
    /// No such user.
    UnknownUser,
    /// No such symbol.
    UnknownSymbol,
    /// A bid was to be moved above its reserve price; exchange-core only.
    AboveReserve,
    /// A reduction by less than one lot.
    WrongSize,
    /// A refusal of Ringbook that has no counterpart; never agrees.
    Other(u16),
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::NoFunds => "NO_FUNDS",
            Self::UnknownOrder => "UNKNOWN_ORDER",
            Self::UnknownUser => "UNKNOWN_USER",
            Self::UnknownSymbol => "UNKNOWN_SYMBOL",
            Self::AboveReserve => "ABOVE_RESERVE",
            Self::WrongSize => "WRONG_SIZE",
            Self::Other(code) => {
                let name = RejectCode::from_code(*code).map_or("?", RejectCode::name);
                return write!(f, "OTHER:{code}:{name}");
            }
        })
    }
}

/// What a command did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A fill against a resting order.
    Trade {
        /// The maker's id in the command file.
        maker: u64,
        /// Its user.
        user: u32,
        /// Its price.
        price: i64,
        /// Lots.
        size: i64,
        /// Nothing is left of the maker.
        done: bool,
    },
    /// Lots of a new order that neither traded nor rest.
    Rest(i64),
    /// Lots taken from a resting order.
    Reduced {
        /// How many.
        size: i64,
        /// Nothing is left of it.
        done: bool,
    },
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trade { maker, user, price, size, done } => {
                write!(f, "T:{maker}:{user}:{price}:{size}:{}", u8::from(*done))
            }
            Self::Rest(size) => write!(f, "J:{size}"),
            Self::Reduced { size, done } => write!(f, "E:{size}:{}", u8::from(*done)),
        }
    }
}

/// What one side answers to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What became of it.
    pub word: Word,
    /// What it did, in the order of the report.
    pub parts: Vec<Part>,
    /// Why Ringbook had to be treated differently.
    pub differences: Vec<Difference>,
}

impl Answer {
    /// An answer without parts.
    pub fn of(word: Word) -> Self {
        Self { word, parts: Vec::new(), differences: Vec::new() }
    }

    /// The same answer for a named reason.
    pub fn because(mut self, difference: Difference) -> Self {
        self.differences.push(difference);
        self
    }

    /// Trades in it.
    pub fn fills(&self) -> usize {
        self.parts.iter().filter(|part| matches!(part, Part::Trade { .. })).count()
    }

    /// Names [`Difference::IocRestFirst`] where a rest follows trades.
    pub fn name_rest_first(&mut self) {
        if self.parts.len() > 1 && matches!(self.parts.last(), Some(Part::Rest(_))) {
            self.differences.push(Difference::IocRestFirst);
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.word)?;
        for part in &self.parts {
            write!(f, " {part}")?;
        }
        for difference in &self.differences {
            write!(f, " ~{difference}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_after_trades_is_named() {
        let trade = Part::Trade { maker: 7, user: 100, price: 11_500, size: 1_731, done: true };
        let mut answer = Answer { word: Word::Ok, parts: vec![trade, Part::Rest(269)], differences: vec![] };
        answer.name_rest_first();
        assert_eq!(answer.to_string(), "OK T:7:100:11500:1731:1 J:269 ~IOC_REST_FIRST");
        let mut alone = Answer { word: Word::Ok, parts: vec![Part::Rest(5)], differences: vec![] };
        alone.name_rest_first();
        assert_eq!(alone.to_string(), "OK J:5");
        assert_eq!(Answer::of(Word::Other(200)).to_string(), "OTHER:200:PRICE_RANGE");
    }
}
