//! The event function's job on `lambda_runtime` and hyper's client: typed, and without a log.

use std::collections::HashMap;
use std::env;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    query_string: HashMap<String, String>,
}

#[derive(Serialize)]
struct Completion<'a> {
    model: &'a str,
    messages: [Message<'a>; 1],
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Reply {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Answer,
}

#[derive(Deserialize)]
struct Answer {
    content: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    is_base64_encoded: bool,
    status_code: u16,
    headers: Headers,
    body: String,
}

#[derive(Serialize)]
struct Headers {
    #[serde(rename = "Content-Type")]
    content_type: &'static str,
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url: Uri = format!("{}/chat/completions", env::var("OPENAI_BASE_URL")?).parse()?;
    let key = HeaderValue::try_from(format!("Bearer {}", env::var("OPENAI_API_KEY")?))?;
    let client = client()?;
    lambda_runtime::run(service_fn(|event| answer(&client, &url, &key, event))).await
}

fn client() -> Result<HttpClient, Error> {
    let builder = HttpsConnectorBuilder::new();
    let builder = match env::var_os("SSL_CERT_FILE") {
        None => builder.with_webpki_roots(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for root in CertificateDer::pem_file_iter(file)? {
                roots.add(root?)?;
            }
            let config = ClientConfig::builder().with_root_certificates(roots);
            builder.with_tls_config(config.with_no_client_auth())
        }
    };
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    let https = builder.https_or_http().enable_http1().wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new()).build(https))
}

async fn answer(
    client: &HttpClient,
    url: &Uri,
    key: &HeaderValue,
    event: LambdaEvent<Event>,
) -> Result<Envelope, Error> {
    let question = event.payload.query_string.get("question").ok_or("no question")?;
    let messages = [Message { role: "user", content: question }];
    let body = serde_json::to_vec(&Completion { model: "gpt-3.5-turbo", messages })?;
    let request = Request::post(url)
        .header(AUTHORIZATION, key)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(body))?;
    let response = client.request(request).await?;
    if !response.status().is_success() {
        return Err(format!("status {}", response.status()).into());
    }
    let reply = response.into_body().collect().await?.to_bytes();
    let reply: Reply = serde_json::from_slice(&reply)?;
    let choice = reply.choices.into_iter().next().ok_or("no answer")?;
    Ok(Envelope {
        is_base64_encoded: false,
        status_code: 200,
        headers: Headers { content_type: "text/plain; charset=utf-8" },
        body: choice.message.content,
    })
}
