//! The event function's job on `lambda_runtime` and reqwest: an event in, the answer out.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use reqwest::Client;
use serde_json::{Value, json};
use std::env;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = format!("{}/chat/completions", env::var("OPENAI_BASE_URL")?);
    let key = env::var("OPENAI_API_KEY")?;
    let client = Client::new();
    lambda_runtime::run(service_fn(|event| answer(&client, &url, &key, event))).await
}

async fn answer(
    client: &Client,
    url: &str,
    key: &str,
    event: LambdaEvent<Value>,
) -> Result<Value, Error> {
    let question = event.payload["queryString"]["question"].as_str().ok_or("no question")?;
    let request = json!({"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": question}]});
    let reply = client.post(url).bearer_auth(key).json(&request).send().await?.error_for_status()?;
    let mut reply: Value = reply.json().await?;
    let Value::String(answer) = reply["choices"][0]["message"]["content"].take() else {
        return Err("no answer".into());
    };
    Ok(json!({
        "isBase64Encoded": false,
        "statusCode": 200,
        "headers": {"Content-Type": "text/plain; charset=utf-8"},
        "body": answer,
    }))
}
