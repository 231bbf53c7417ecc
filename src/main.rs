//! The event function.

fn main() {}
