//! Ringbook's hot path: ring buffer, sequencer, agents and threads.
