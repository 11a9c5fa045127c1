//! Read models in SQLite or MySQL, committed with the journal's sequence.
