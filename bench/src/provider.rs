//! A provider that answers at once, over plain HTTP or TLS.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::http::{Connection, reply};

/// Starts a provider whose every answer has so many bytes, and returns its base URL. It lives as long as the process.
pub(crate) fn start(answer: usize, tls: Option<Arc<ServerConfig>>) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}/v1", listener.local_addr()?);
    let reply: Arc<[u8]> = reply("200 OK", "", completion(answer).as_bytes()).into();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (reply, tls) = (reply.clone(), tls.clone());
            thread::spawn(move || serve(stream, tls, &reply));
        }
    });
    Ok(url)
}

/// A completion as providers write it, around an answer of so many bytes.
pub(crate) fn completion(answer: usize) -> String {
    let answer = "Rust is a language. ".repeat(answer.div_ceil(20));
    format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-3.5-turbo-0125","choices":[{{"index":0,"message":{{"role":"assistant","content":"{answer}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":12,"completion_tokens":9,"total_tokens":21}}}}"#
    )
}

/// What the provider shows over TLS: the certificate for 127.0.0.1 in a folder.
pub(crate) fn tls(folder: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let cert = CertificateDer::from_pem_file(folder.join("cert.pem")).context("cert.pem")?;
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).context("key.pem")?;
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)?;
    Ok(Arc::new(config))
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, reply: &[u8]) {
    // A peer that goes without a word ends its connection and nothing else.
    let _ = stream.set_nodelay(true);
    match tls {
        None => answer(stream, reply),
        Some(config) => {
            if let Ok(connection) = ServerConnection::new(config) {
                answer(StreamOwned::new(connection, stream), reply);
            }
        }
    }
}

fn answer(stream: impl Read + Write, reply: &[u8]) {
    let mut connection = Connection::new(stream);
    while let Ok(Some(_)) = connection.request() {
        if connection.reply(reply).is_err() {
            break;
        }
    }
}
