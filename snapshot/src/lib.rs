//! Snapshots of engine state: rkyv images with a hash, written safely and proven by loading.
