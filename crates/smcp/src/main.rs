//! The `smcp` binary.
fn main() {}
