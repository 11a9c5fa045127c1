//! A naive, obviously right matching engine to compare the fast one with.
