//! A handler of HTTP requests with an error type of its own.
//!
//! `GET /?dividend=7&divisor=2` returns `{"quotient":3,"rest":1}`. An invalid number is a 400. A
//! division by zero fails the invocation, and the client gets the platform's error.
//!
//! ```text
//! cargo add scf-runtime thiserror
//! cargo add serde -F derive
//! ```

use scf_runtime::http::{IntoResponse, Json, Request, RequestExt, Response, StatusCode};
use scf_runtime::{Context, Failure};
use serde::Serialize;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0} is missing or not a number")]
    Number(&'static str),
    #[error("division by zero")]
    Zero,
}

#[derive(Serialize)]
struct Division {
    quotient: i64,
    rest: i64,
}

fn divide(request: &Request<Vec<u8>>) -> Result<Division, Error> {
    let number = |name| {
        let text = request.query(name).unwrap_or_default();
        text.parse::<i64>().map_err(|_| Error::Number(name))
    };
    let (dividend, divisor) = (number("dividend")?, number("divisor")?);
    Ok(Division {
        quotient: dividend.checked_div(divisor).ok_or(Error::Zero)?,
        rest: dividend.checked_rem(divisor).ok_or(Error::Zero)?,
    })
}

fn handler(request: Request<Vec<u8>>, _: &Context) -> Result<Response<Vec<u8>>, Failure> {
    match divide(&request) {
        Ok(division) => Json(division).into_response(),
        Err(error @ Error::Number(_)) => {
            (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response()
        }
        Err(error) => Err(error.into()),
    }
}

fn main() -> Result<(), scf_runtime::Error> {
    scf_runtime::http::run(handler)
}
