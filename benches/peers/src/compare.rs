//! The two result files, line by line.
//!
//! Invariant: nothing is skipped. A line of one side without its line on the other is unexplained, and so is every
//! difference in a line that Ringbook's side did not predict to the letter.

use crate::difference::Difference;
use std::collections::{BTreeMap, BTreeSet};

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Summary {
    /// Lines of commands that both sides answered.
    pub commands: u64,
    /// Fills that agree.
    pub fills: u64,
    /// Of the commands, those that both sides refused.
    pub refused: u64,
    /// At which lines of the command file states were compared.
    pub states: BTreeSet<usize>,
    /// Users of whom a balance was compared.
    pub users: BTreeSet<String>,
    /// Balances that agree (a user's asset with units in it).
    pub balances: u64,
    /// Of them, those of which a surplus was taken off ([`Difference::HoldStaysAtReserve`]).
    pub less_surplus: u64,
    /// Open orders that agree.
    pub orders: u64,
    /// Sums of fees and of deposits that agree.
    pub sums: u64,
    /// Commands that a named difference explains.
    pub differences: BTreeMap<Difference, u64>,
    /// The first lines that nothing explains: line of the command file, exchange-core's, Ringbook's.
    pub unexplained: Vec<(usize, String, String)>,
    /// How many lines nothing explains.
    pub unexplained_count: u64,
}

/// So many unexplained lines are kept to be printed.
const KEPT: usize = 20;

/// Line number, text without differences, differences.
fn split(line: &str) -> (usize, String, Vec<Difference>) {
    let (number, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut differences = Vec::new();
    let mut words = Vec::new();
    for word in rest.split(' ') {
        match word.strip_prefix('~').and_then(Difference::named) {
            Some(difference) => differences.push(difference),
            None => words.push(word),
        }
    }
    if differences.contains(&Difference::IocRestFirst) && words.len() > 2 {
        words[1..].rotate_right(1);
    }
    (number.parse().unwrap_or(0), words.join(" "), differences)
}

impl Summary {
    /// Compares result files: Ringbook's, whose lines name differences, and exchange-core's.
    pub fn of(ringbook: &str, exchange_core: &str) -> Self {
        let mut summary = Self::default();
        let mut theirs = exchange_core.lines().peekable();
        for line in ringbook.lines() {
            let (number, text, differences) = split(line);
            // Their lines of commands that we did not answer.
            while let Some(extra) = theirs.next_if(|their| split(their).0 < number) {
                summary.unexplained(split(extra).0, extra, "");
            }
            let Some(their) = theirs.next_if(|their| split(their).0 == number) else {
                summary.unexplained(number, "", line);
                continue;
            };
            if their.split_once(' ').is_none_or(|(_, rest)| rest != text) {
                summary.unexplained(number, their, line);
                continue;
            }
            summary.count(number, &text, &differences);
        }
        for extra in theirs {
            summary.unexplained(split(extra).0, extra, "");
        }
        summary
    }

    fn unexplained(&mut self, number: usize, theirs: &str, ours: &str) {
        self.unexplained_count += 1;
        if self.unexplained.len() < KEPT {
            self.unexplained.push((number, theirs.to_owned(), ours.to_owned()));
        }
    }

    fn count(&mut self, number: usize, text: &str, differences: &[Difference]) {
        let mut words = text.split(' ');
        match words.next().unwrap_or_default() {
            "B" => {
                self.balances += 1;
                self.less_surplus += u64::from(!differences.is_empty());
                self.users.insert(words.next().unwrap_or_default().to_owned());
            }
            "O" => self.orders += 1,
            "F" | "X" => {
                self.sums += 1;
                self.states.insert(number);
            }
            word => {
                self.commands += 1;
                self.refused += u64::from(word != "OK");
                self.fills += words.filter(|part| part.starts_with("T:")).count() as u64;
                for difference in differences {
                    *self.differences.entry(*difference).or_default() += 1;
                }
            }
        }
    }

    /// The closing lines for a person.
    pub fn text(&self) -> String {
        use std::fmt::Write;
        let mut out = String::new();
        let mut line = |name: &str, count: u64, note: &str| {
            let _ = writeln!(out, "{}", format!("{name:<28}{count:>10}  {note}").trim_end());
        };
        line("commands compared", self.commands, "in order; users, deposits and withdrawals among them");
        line("  refused", self.refused, "");
        line("fills compared", self.fills, "in order: maker, its user, price, size, whether it is filled");
        line("accounts compared", self.users.len() as u64, "all assets");
        line("  times", self.states.len() as u64, "the last time after every order has ended");
        line("  balances", self.balances, "to the unit");
        line("    of them less a surplus", self.less_surplus, "HOLD_STAYS_AT_RESERVE, while bids are open");
        line("  open orders", self.orders, "side, price, open lots");
        line("  sums by asset", self.sums, "fees; deposits less withdrawals");
        for difference in Difference::ALL {
            let count = self.differences.get(&difference).copied().unwrap_or(0);
            line(difference.name(), count, difference.explanation());
        }
        line("unexplained", self.unexplained_count, "");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_predicted_agrees() {
        let check = |ours: &str, theirs: &str| Summary::of(ours, theirs).unexplained_count;
        assert_eq!(check("5 OK T:1:2:3:4:1\n6 NO_FUNDS", "5 OK T:1:2:3:4:1\n6 NO_FUNDS"), 0);
        assert_eq!(check("5 OK T:1:2:3:4:1", "5 OK T:1:2:3:5:1"), 1);
        assert_eq!(check("5 OK T:1:2:3:4:1 J:7 ~IOC_REST_FIRST", "5 OK J:7 T:1:2:3:4:1"), 0);
        assert_eq!(check("5 OK T:1:2:3:4:1 J:7", "5 OK J:7 T:1:2:3:4:1"), 1);
        assert_eq!(check("5 OK T:1:2:3:4:1 J:7 ~IOC_REST_FIRST", "5 OK T:1:2:3:4:1 J:7"), 1);
        assert_eq!(check("5 ABOVE_RESERVE ~MOVE_ABOVE_RESERVE", "5 OK"), 1);
        assert_eq!(check("5 OK\n7 OK", "5 OK\n6 OK\n7 OK\n8 OK"), 2);
        assert_eq!(check("5 OK\n6 OK", "6 OK"), 1);
        assert_eq!(check("9 B 100 5 17 ~HOLD_STAYS_AT_RESERVE", "9 B 100 5 18"), 1);
        assert_eq!(check("5 OK ~ROUNDING", "5 OK"), 1, "a name that is not known explains nothing");
    }
}
