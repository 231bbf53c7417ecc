//! A router of axum as the handler.

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Extension, Router};
use scf_runtime::Context;

async fn hello(Path(name): Path<String>, Extension(context): Extension<Context>) -> String {
    format!("Hello, {name}, from {}\n", context.request_id)
}

#[tokio::main]
async fn main() -> Result<(), scf_runtime::Error> {
    let router = Router::new()
        .route("/hello/{name}", get(hello))
        .route("/echo", post(async |body: String| body));
    scf_runtime::http::run_service(router).await
}
