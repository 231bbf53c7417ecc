/// An upstream without a reply.
pub struct Unreachable;

/// Returns them.
pub fn unreachable() -> Vec<Unreachable> {
    Vec::new()
}
