//! Ringbook's rule book: matching, accounts and balances as a pure function.
