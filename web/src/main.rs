//! The Web function.

fn main() {}
