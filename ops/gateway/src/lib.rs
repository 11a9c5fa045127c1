//! Binary TCP order entry.
