//! Recovery, verification, the shadow engine and time travel.
