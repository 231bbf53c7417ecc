//! A router of axum as the handler. `GET /fail` fails the invocation.
//!
//! ```text
//! cargo add scf-runtime -F tower
//! cargo add axum
//! cargo add tokio -F macros,rt-multi-thread
//! ```

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Extension, Router};
use scf_runtime::{Context, Failure};

async fn hello(Path(name): Path<String>, Extension(context): Extension<Context>) -> String {
    format!("Hello, {name}, from {}\n", context.request_id)
}

async fn fail() -> impl IntoResponse {
    (StatusCode::INTERNAL_SERVER_ERROR, Extension(Failure::new("Example", "failed as asked")))
}

#[tokio::main]
async fn main() -> Result<(), scf_runtime::Error> {
    let router = Router::new()
        .route("/hello/{name}", get(hello))
        .route("/fail", get(fail))
        .route("/echo", post(async |body: String| body));
    scf_runtime::http::run_service(router).await
}
