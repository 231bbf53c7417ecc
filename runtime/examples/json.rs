//! A handler of JSON events: multiplies the pieces of an order by their price.
//!
//! ```text
//! {"pieces": 3, "price": 5}  ->  {"total": 15}
//!
//! cargo add scf-runtime
//! cargo add serde -F derive
//! ```

use scf_runtime::{Context, Failure};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Order {
    pieces: u32,
    price: u32,
}

#[derive(Debug, PartialEq, Serialize)]
struct Bill {
    total: u32,
}

fn handler(order: Order, _: &Context) -> Result<Bill, Failure> {
    let total = order.pieces.checked_mul(order.price).ok_or("total is too large")?;
    Ok(Bill { total })
}

fn main() -> Result<(), scf_runtime::Error> {
    scf_runtime::run(handler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_is_pieces_by_price() {
        let order = |pieces, price| handler(Order { pieces, price }, &Context::for_test());
        assert_eq!(order(3, 5), Ok(Bill { total: 15 }));
        assert_eq!(order(u32::MAX, 2).unwrap_err().error_message, "total is too large");
    }
}
